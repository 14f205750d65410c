// SPDX-License-Identifier: Apache-2.0
// One verilated board with a UART's far end on its pins; boards/virtual.py calls it.
#include <cstdint>
#include <deque>
#include <memory>

#include "Vboard.h"
#include "verilated.h"

namespace {

struct Virtual {
    VerilatedContext context;
    std::unique_ptr<Vboard> top;
    uint32_t divisor;
    std::deque<uint8_t> to_board;
    // Sending: bits of the byte under way, start bit lowest, and cycles left of the bit.
    uint32_t sending = 0, bits_left = 0, send_wait = 0;
    // Receiving: bits still expected, cycles until the next is sampled.
    uint32_t received = 0, expected = 0, sample_wait = 0;

    Virtual(uint32_t divisor, int seed) : divisor(divisor) {
        context.randReset(2);
        context.randSeed(seed);
        top = std::make_unique<Vboard>(&context);
        top->clk = 0;
        top->rx = 1;
        top->eval();
    }
    ~Virtual() {
        // Verilator takes the context that the thread used last, perhaps one of a deleted model.
        Verilated::threadContextp(&context);
        top->final();
        top.reset();
    }

    void drive() {
        if (send_wait) {
            --send_wait;
            return;
        }
        if (!bits_left && !to_board.empty()) {
            sending = 0x200u | to_board.front() << 1;
            to_board.pop_front();
            bits_left = 10;
        }
        top->rx = bits_left ? sending & 1 : 1;
        if (bits_left) {
            sending >>= 1;
            --bits_left;
            send_wait = divisor - 1;
        }
    }

    // Whether a byte is complete.
    bool sample() {
        if (!expected) {
            if (!top->tx) {
                expected = 9;
                received = 0;
                sample_wait = divisor + divisor / 2;
            }
            return false;
        }
        if (--sample_wait) return false;
        sample_wait = divisor;
        if (--expected) {
            received = received >> 1 | static_cast<uint32_t>(top->tx) << 7;
            return false;
        }
        return top->tx;     // the stop bit
    }
};

}  // namespace

extern "C" {

void* openeie_new(uint32_t divisor, int seed) { return new Virtual(divisor, seed); }
void openeie_delete(void* handle) { delete static_cast<Virtual*>(handle); }

void openeie_send(void* handle, const uint8_t* bytes, uint64_t count) {
    auto& board = *static_cast<Virtual*>(handle);
    board.to_board.insert(board.to_board.end(), bytes, bytes + count);
}

uint64_t openeie_pending(void* handle) { return static_cast<Virtual*>(handle)->to_board.size(); }
uint32_t openeie_leds(void* handle) { return static_cast<Virtual*>(handle)->top->leds; }

// Let `cycles` pass; returns how many bytes the board sent, at most `capacity` of them kept.
uint64_t openeie_step(void* handle, uint64_t cycles, uint8_t* bytes, uint64_t capacity) {
    auto& board = *static_cast<Virtual*>(handle);
    uint64_t count = 0;
    while (cycles--) {
        board.drive();
        board.top->clk = 1;
        board.top->eval();
        board.top->clk = 0;
        board.top->eval();
        if (board.sample() && count < capacity) bytes[count++] = board.received;
    }
    return count;
}

}
