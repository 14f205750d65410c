// SPDX-License-Identifier: Apache-2.0
// The memories behind an array's load and read ports, written and read directly.
//
// sim/rtl/memories.py says in places.h which they are. sim/rtl/proof.py compares with the ports.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "Vopeneie.h"
#include "Vopeneie__Syms.h"
#include "places.h"

namespace direct {

constexpr unsigned TARGETS = 16, BANKS = 2;
constexpr unsigned LAST_WRITTEN = 8;  // ACT_B; the targets after it are only read
constexpr uint16_t BROADCAST_PE = 0xFFFF;

// One target's words in one memory of Verilator's, whose words have 1, 2, 4 or 8 bytes.
struct Memory {
    uint8_t* words = nullptr;
    uint64_t rows = 0, mask = 0;
    unsigned bytes = 0, banks = 1, width = 0;
    bool is_signed = false;

    void write(uint64_t row, uint64_t value) {
        value &= mask;
        std::memcpy(words + row * bytes, &value, bytes);  // little-endian, as everything here
    }

    uint64_t read(uint64_t row) const {
        uint64_t value = 0;
        std::memcpy(&value, words + row * bytes, bytes);
        const uint64_t sign = 1ull << (width - 1);
        return is_signed ? (value ^ sign) - sign : value;
    }
};

using Memories = std::array<std::array<Memory, BANKS>, TARGETS>;

template <class Words>
Memory memory(Words& words, unsigned banks, unsigned width, uint64_t first, uint64_t rows,
              bool is_signed) {
    Memory result;
    result.bytes = sizeof(words[0]);
    result.words = reinterpret_cast<uint8_t*>(&words[first]);
    result.rows = rows ? rows : sizeof(words) / sizeof(words[0]) - first;
    result.mask = ~0ull >> (64 - width);
    result.banks = banks;
    result.width = width;
    result.is_signed = is_signed;
    return result;
}

class Array {
    std::vector<Memories> m_pes;
    Memories m_top;
    uint32_t* m_crc;
    uint32_t m_table[256];

    static uint32_t reversed(uint32_t bits) {
        uint32_t result = 0;
        for (int i = 0; i < 32; i++) result |= (bits >> i & 1) << (31 - i);
        return result;
    }

    // The word's memory, or none if there is no such word.
    static Memory* at(Memories& memories, unsigned target, uint64_t address) {
        if (target >= TARGETS) return nullptr;
        Memory& first = memories[target][0];
        Memory& memory = memories[target][address % first.banks];
        return memory.words && address / memory.banks < memory.rows ? &memory : nullptr;
    }

public:
    explicit Array(Vopeneie& top) {
        Vopeneie__Syms& model = *top.rootp->vlSymsp;
#define PLACE(TARGET, COUNT, BANK, MEMBER, WIDTH, FIRST, ROWS, SIGNED) \
    memories[TARGET][BANK] = memory(owner.MEMBER, COUNT, WIDTH, FIRST, ROWS, SIGNED);
#define PE(NUMBER, INSTANCE)                \
    {                                       \
        auto& owner = model.INSTANCE;       \
        Memories memories;                  \
        OPENEIE_PE_PLACES(PLACE)            \
        m_pes.push_back(memories);          \
    }
        OPENEIE_PES(PE)
        auto& owner = *top.rootp;
        Memories& memories = m_top;
        OPENEIE_TOP_PLACES(PLACE)
#undef PE
#undef PLACE
        m_crc = &owner.OPENEIE_CRC;
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t value = byte;
            for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
            m_table[byte] = value;
        }
    }

    // The CRC-32 of the records so far, before its last inversion. The loader has it mirrored.
    uint32_t crc() const { return reversed(*m_crc); }
    void set_crc(uint32_t crc) { *m_crc = reversed(crc); }

    template <class Record>
    uint32_t next_crc(uint32_t crc, const Record& record) const {
        uint8_t bytes[sizeof(Record)];
        std::memcpy(bytes, &record, sizeof(Record));
        bytes[1] = 0;  // the port does not have it
        for (uint8_t byte : bytes) crc = m_table[(crc ^ byte) & 0xFF] ^ crc >> 8;
        return crc;
    }

    // Writes what the load port would; returns false, having written nothing, where the port
    // might do something else than write one word, to one PE or to all.
    bool write(unsigned target, uint16_t pe, uint64_t address, uint64_t data) {
        if (target > LAST_WRITTEN) return false;
        if (Memory* memory = at(m_top, target, address)) {
            memory->write(address / memory->banks, data);
            return true;
        }
        const bool is_broadcast = pe == BROADCAST_PE;
        if (!is_broadcast && pe >= m_pes.size()) return false;
        const size_t first = is_broadcast ? 0 : pe;
        const size_t last = is_broadcast ? m_pes.size() : pe + 1;
        if (!at(m_pes[first], target, address)) return false;
        for (size_t number = first; number < last; number++) {
            Memory* memory = at(m_pes[number], target, address);
            memory->write(address / memory->banks, data);
        }
        return true;
    }

    // Reads a word of the read port, or any other; returns false if there is no such word.
    bool read(unsigned target, uint32_t pe, uint64_t address, uint64_t& word) {
        Memory* memory = at(m_top, target, address);
        if (!memory && pe < m_pes.size()) memory = at(m_pes[pe], target, address);
        if (memory) word = memory->read(address / memory->banks);
        return memory;
    }

    // How many words a target has in each PE, or in the sequencer.
    uint64_t words(unsigned target) {
        uint64_t count = 0;
        for (Memories* memories : {&m_top, &m_pes[0]})
            for (const Memory& memory : (*memories)[target]) count += memory.rows;
        return count;
    }
};

}  // namespace direct
