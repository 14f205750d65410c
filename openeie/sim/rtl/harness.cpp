// SPDX-License-Identifier: Apache-2.0
// Flat C interface to one verilated accelerator; sim/rtl/rtl.py calls it through ctypes.
//
// Everything goes through the ports that a board has: i_load, i_read, o_read, busy, fault. Where
// OPENEIE_DIRECT is 1, direct.h also reaches the memories themselves.
#include <cstdint>
#include <memory>

#include "Vopeneie.h"
#include "verilated.h"
#if OPENEIE_DIRECT
#include "direct.h"
#endif
#if VM_TRACE
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

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

// One write on the load port, as openeie.core.array.load_port.LOAD_RECORD.
struct Record {
    uint8_t target, zero;
    uint16_t pe;
    uint32_t address;
    uint64_t data;
};
static_assert(sizeof(Record) == 16, "records are packed");

#if VM_TRACE
// A waveform's file. Verilator ends the process where its own cannot be written, so this one keeps
// the first error, or that it has become too large, and takes no more.
class TraceFile final : public VerilatedVcdFile {
    int m_fd = -1;
    uint64_t m_room;

public:
    int error = 0;

    explicit TraceFile(uint64_t most_bytes) : m_room(most_bytes) {}

    // "-" is standard output.
    bool open(const std::string& name) override {
        m_fd = name == "-" ? ::dup(STDOUT_FILENO)
                           : ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (m_fd < 0) error = errno;
        return m_fd >= 0;
    }

    void close() override {
        if (::close(m_fd) && !error) error = errno;
    }

    ssize_t write(const char* data, ssize_t size) override {
        if (!error && uint64_t(size) > m_room) error = EFBIG;
        if (error) return size;
        const ssize_t written = ::write(m_fd, data, size);
        if (written < 0 && errno == EINTR) return written;  // it is called again
        if (written < 0) {
            error = errno;
            return size;
        }
        m_room -= written;
        return written;
    }
};
#endif

struct Harness {
    VerilatedContext context;
    std::unique_ptr<Vopeneie> top;
    uint64_t cycles = 0;
#if OPENEIE_DIRECT
    std::unique_ptr<direct::Array> memories;
    uint64_t quiet = 0;  // cycles in which the array was idle and its ports were not used
#endif
#if VM_TRACE
    std::unique_ptr<TraceFile> file;
    std::unique_ptr<VerilatedVcdC> trace;
    bool tracing = true;
    uint64_t traced = 0, first = 0, last = UINT64_MAX;  // cycles while tracing; those written
#endif

    explicit Harness(int seed) {
        context.randReset(2);  // registers and memories start anywhere; the reset must suffice
        context.randSeed(seed);
#if VM_TRACE
        context.traceEverOn(true);
#endif
        top = std::make_unique<Vopeneie>(&context);
        top->clk = 0;
        top->eval();
#if OPENEIE_DIRECT
        memories = std::make_unique<direct::Array>(*top);
#endif
    }

    ~Harness() {
        // Verilator takes the context that the thread used last, perhaps one of a deleted model.
        Verilated::threadContextp(&context);
        top->final();
        top.reset();
    }

    // Inputs are set before; outputs that depend on registers alone are valid afterwards.
    void tick() {
#if VM_TRACE
        const bool shown = trace && tracing && traced >= first && traced < last && !file->error;
        if (tracing) traced++;
#else
        constexpr bool shown = false;
#endif
        top->clk = 0;
        top->eval();
        if (shown) dump(2 * cycles);
        top->clk = 1;
        top->eval();
        if (shown) dump(2 * cycles + 1);
#if OPENEIE_DIRECT
        const bool idle = !top->busy && !top->i_load_valid && !top->i_read_valid;
        quiet = idle ? quiet + 1 : 0;
#endif
        cycles++;
    }

    // What depends on inputs follows them.
    void settle() {
        top->clk = 0;
        top->eval();
    }

    void dump(uint64_t time) {
#if VM_TRACE
        trace->dump(time);
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

// Writes records through the port; returns how many were taken before `limit` cycles passed.
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
            h->settle();
            taken = top->i_load_ready;
            h->tick();
            limit--;
        }
        if (!taken) break;
    }
    top->i_load_valid = 0;
    return done;
}

#if OPENEIE_DIRECT
// Waits for what is under way to reach its memory, a few cycles; returns whether the array is idle.
static bool idle(Harness* h) {
    constexpr uint64_t SLOWEST = 8;
    while (h->quiet < SLOWEST && !h->top->busy) h->tick();
    return !h->top->busy;
}

// As openeie_load, but the records are written to the memories themselves, and enter the CRC
// register themselves. The last one goes through the port, which ends a CHECK's validity, and so
// do those of which the port might make something else than a word in memory.
uint64_t openeie_load_direct(void* handle, const Record* records, uint64_t count, uint64_t limit) {
    Harness* h = of(handle);
    direct::Array& memories = *h->memories;
    uint64_t done = 0;
    while (done < count && idle(h)) {
        uint32_t crc = memories.crc();
        for (; done + 1 < count; done++) {
            const Record& r = records[done];
            if (!memories.write(r.target, r.pe, r.address, r.data)) break;
            crc = memories.next_crc(crc, r);
        }
        memories.set_crc(crc);
        h->tick();
        if (!openeie_load(handle, records + done, 1, limit)) break;
        done++;
    }
    return done;
}

// As openeie_read, from the memory itself; returns how many words there were.
uint64_t openeie_read_direct(void* handle, uint32_t target, uint32_t pe, uint32_t address,
                             uint64_t count, uint64_t* words) {
    Harness* h = of(handle);
    if (!idle(h)) return 0;
    uint64_t done = 0;
    while (done < count && h->memories->read(target, pe, uint64_t(address) + done, words[done]))
        done++;
    return done;
}

// For proof.py: the number of words of a target, and the CRC register.
uint64_t openeie_words(void* handle, uint32_t target) {
    return target < direct::TARGETS ? of(handle)->memories->words(target) : 0;
}

uint32_t openeie_crc(void* handle) { return of(handle)->memories->crc(); }
#endif

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
            h->settle();
            taken = taken || top->i_read_ready;
            answered = top->o_read_valid;
            words[i] = top->o_read_payload;
            h->tick();
            if (taken) top->i_read_valid = 0;
        }
    }
    return count;
}

// Opens a waveform of at most `most_bytes`, of the signals of these scopes alone, whose names end
// in a line feed each; of all if there are none. Returns whether it is open.
int openeie_trace(void* handle, const char* path, const char* scopes, uint64_t most_bytes) {
#if VM_TRACE
    Harness* h = of(handle);
    h->file = std::make_unique<TraceFile>(most_bytes);
    h->trace = std::make_unique<VerilatedVcdC>(h->file.get());
    const std::string names = scopes;
    for (size_t at = 0, end; (end = names.find('\n', at)) != names.npos; at = end + 1)
        h->trace->dumpvars(1, names.substr(at, end - at));
    h->top->trace(h->trace.get(), 99);
    h->trace->open(path);
    return h->trace->isOpen();
#else
    (void)handle, (void)path, (void)scopes, (void)most_bytes;
    return 0;
#endif
}

// Whether cycles from now on are traced; of all that are, from the first one ever on, those from
// number `first` to before `last` are written.
void openeie_trace_cycles(void* handle, int tracing, uint64_t first, uint64_t last) {
#if VM_TRACE
    Harness* h = of(handle);
    h->tracing = tracing, h->first = first, h->last = last;
#else
    (void)handle, (void)tracing, (void)first, (void)last;
#endif
}

// Returns the first error, as errno has it; EFBIG if there was more to write than is allowed.
int openeie_trace_close(void* handle) {
#if VM_TRACE
    Harness* h = of(handle);
    if (!h->trace) return 0;
    h->trace->close();
    h->trace.reset();
    return h->file->error;
#else
    (void)handle;
    return 0;
#endif
}

}  // extern "C"
