// SPDX-License-Identifier: Apache-2.0
// Flat C interface to one verilated accelerator; sim/rtl.py calls it through ctypes.
//
// Everything goes through the ports that a board has: i_load, i_read, o_read, busy, fault.
#include <cstdint>
#include <memory>

#include "Vopeneie.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

// Verilator writes "_" after "_" as "_05F".
#define i_load_payload i_load___05Fpayload
#define i_load_valid i_load___05Fvalid
#define i_load_ready i_load___05Fready
#define i_read_payload i_read___05Fpayload
#define i_read_valid i_read___05Fvalid
#define i_read_ready i_read___05Fready
#define o_read_payload o_read___05Fpayload
#define o_read_valid o_read___05Fvalid
#define o_read_ready o_read___05Fready

namespace {

// One write on the load port, as openeie.core.load_port.LOAD_RECORD.
struct Record {
    uint8_t target, zero;
    uint16_t pe;
    uint32_t address;
    uint64_t data;
};
static_assert(sizeof(Record) == 16, "records are packed");

struct Harness {
    VerilatedContext context;
    std::unique_ptr<Vopeneie> top;
    uint64_t cycles = 0;
#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> trace;
#endif

    explicit Harness(int seed) {
        context.randReset(2);  // registers and memories start anywhere; the reset must suffice
        context.randSeed(seed);
#if VM_TRACE
        context.traceEverOn(true);
#endif
        top = std::make_unique<Vopeneie>(&context);
    }

    ~Harness() {
        // Verilator takes the context that the thread used last, perhaps one of a deleted model.
        Verilated::threadContextp(&context);
        top->final();
        top.reset();
    }

    // Inputs are set before; outputs that depend on registers alone are valid afterwards.
    void tick() {
        top->clk = 0;
        top->eval();
        dump(2 * cycles);
        top->clk = 1;
        top->eval();
        dump(2 * cycles + 1);
        cycles++;
    }

    void dump(uint64_t time) {
#if VM_TRACE
        if (trace) trace->dump(time);
#else
        (void)time;
#endif
    }
};

Harness* of(void* handle) { return static_cast<Harness*>(handle); }

}  // namespace

extern "C" {

void* openeie_new(int seed) { return new Harness(seed); }

void openeie_delete(void* handle) { delete of(handle); }

uint64_t openeie_cycles(void* handle) { return of(handle)->cycles; }
int openeie_busy(void* handle) { return of(handle)->top->busy; }
int openeie_fault(void* handle) { return of(handle)->top->fault; }

void openeie_tick(void* handle, uint64_t cycles) {
    for (; cycles; cycles--) of(handle)->tick();
}

void openeie_reset(void* handle) {
    Harness* h = of(handle);
    h->top->i_load_valid = 0;
    h->top->i_read_valid = 0;
    h->top->o_read_ready = 1;
    h->top->rst = 1;
    h->tick();
    h->top->rst = 0;
    h->tick();  // the reset is registered
}

// Writes records; returns how many were taken before `limit` cycles passed.
uint64_t openeie_load(void* handle, const Record* records, uint64_t count, uint64_t limit) {
    Harness* h = of(handle);
    Vopeneie* top = h->top.get();
    uint64_t done = 0;
    for (; done < count && limit; done++) {
        const Record& r = records[done];
        // target 4, pe 16, address 32, data 64 bits, from the least significant on
        const uint64_t head = r.target | uint64_t(r.pe) << 4 | uint64_t(r.address) << 20
                              | r.data << 52;
        top->i_load_payload[0] = uint32_t(head);
        top->i_load_payload[1] = uint32_t(head >> 32);
        top->i_load_payload[2] = uint32_t(r.data >> 12);
        top->i_load_payload[3] = uint32_t(r.data >> 44);
        top->i_load_valid = 1;
        bool taken = false;
        while (!taken && limit) {
            top->clk = 0;
            top->eval();
            taken = top->i_load_ready;
            h->tick();
            limit--;
        }
        if (!taken) break;
    }
    top->i_load_valid = 0;
    return done;
}

// Runs until not busy; returns the cycles that took, or `limit` if it is still busy.
uint64_t openeie_wait(void* handle, uint64_t limit) {
    Harness* h = of(handle);
    uint64_t waited = 0;
    for (; waited < limit && h->top->busy; waited++) h->tick();
    return waited;
}

// Reads `count` words from `address` on; returns how many answered before `limit` cycles passed.
uint64_t openeie_read(void* handle, uint32_t target, uint32_t pe, uint32_t address,
                      uint64_t count, uint64_t* words, uint64_t limit) {
    Harness* h = of(handle);
    Vopeneie* top = h->top.get();
    for (uint64_t i = 0; i < count; i++) {
        top->i_read_payload = target | uint64_t(pe) << 4 | uint64_t(address + i) << 20;
        top->i_read_valid = 1;
        bool taken = false, answered = false;
        while (!answered) {
            if (!limit--) return i;
            top->clk = 0;
            top->eval();
            taken = taken || top->i_read_ready;
            answered = top->o_read_valid;
            words[i] = top->o_read_payload;
            h->tick();
            if (taken) top->i_read_valid = 0;
        }
    }
    return count;
}

int openeie_trace(void* handle, const char* path) {
#if VM_TRACE
    Harness* h = of(handle);
    h->trace = std::make_unique<VerilatedVcdC>();
    h->top->trace(h->trace.get(), 99);
    h->trace->open(path);
    return h->trace->isOpen();
#else
    (void)handle, (void)path;
    return 0;
#endif
}

void openeie_trace_close(void* handle) {
#if VM_TRACE
    Harness* h = of(handle);
    if (h->trace) h->trace->close();
    h->trace.reset();
#else
    (void)handle;
#endif
}

}  // extern "C"
