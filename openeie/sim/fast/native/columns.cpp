// SPDX-License-Identifier: Apache-2.0
// Entries by column: counted and decoded from memory images, counted from weights, and multiplied
// with activations.
#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

// How fixed-length entries lie in a word, as entry_columns.Format.
struct Format {
    int64_t slots, width, run_width, place_width, sign;
};

struct Entry {
    int64_t run, weight;
};

inline Entry entry(const uint64_t* words, int64_t number, const int16_t* codebook,
                   const Format& form) {
    const uint64_t word = words[number / form.slots] >> (number % form.slots * form.width);
    const int64_t field = int64_t(word & ((uint64_t(1) << form.width) - 1));
    const int64_t run = field & ((int64_t(1) << form.run_width) - 1);
    const int64_t payload = field >> form.run_width;
    if (form.sign) return {run, (payload ^ form.sign) - form.sign};
    return {run, codebook[payload]};
}

// The number of the entry that a column pointer points to.
inline int64_t number_of(uint32_t pointer, const Format& form) {
    const int64_t place = pointer & ((int64_t(1) << form.place_width) - 1);
    return (int64_t(pointer) >> form.place_width) * form.slots + place;
}

template <typename Row>
void fill(const uint64_t* words, int64_t length, const uint32_t* pointers, int64_t n, int64_t pes,
          const int16_t* codebook, const Format& form, Row* rows, int16_t* weights) {
    const int64_t longest = (int64_t(1) << form.run_width) - 1;
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < pes; i++) {
            const uint32_t* pointer = pointers + i * (n + 1) + j;
            const int64_t end = number_of(pointer[1], form);
            int64_t row = -1;
            for (int64_t k = number_of(pointer[0], form); k < end; k++) {
                const Entry e = entry(words + i * length, k, codebook, form);
                row += e.run + 1;
                if (e.run == longest && e.weight == 0) continue;    // a filler
                *rows++ = Row(row * pes + i);
                *weights++ = int16_t(e.weight);
            }
        }
}

// Asks for the entries of a column some items ahead: columns are short and far apart, so that the
// processor would not see them coming.
template <typename Row>
inline void prefetch(int32_t column, const int64_t* indptr, const Row* rows,
                     const int16_t* weights) {
    constexpr int64_t kLine = 64;
    if (column < 0) return;             // a token
    const int64_t first = indptr[column], end = indptr[column + 1];
    for (int64_t k = first; k < end; k += kLine / int64_t(sizeof(Row)))
        __builtin_prefetch(rows + k);
    for (int64_t k = first; k < end; k += kLine / int64_t(sizeof(int16_t)))
        __builtin_prefetch(weights + k);
}

template <typename Row>
void accumulate(const int32_t* items, int64_t count, const int32_t* x, int64_t n,
                const int64_t* indptr, const Row* rows, const int16_t* weights, int64_t* acc,
                int64_t m) {
    constexpr int64_t kAhead = 3;
    for (int64_t i = 0; i < count; i++) {
        if (i + kAhead < count) prefetch(items[i + kAhead], indptr, rows, weights);
        if (items[i] < 0) {             // a token: the next vector
            x += n;
            acc += m;
            continue;
        }
        const int64_t act = x[items[i]];
        const int64_t end = indptr[items[i] + 1];
        for (int64_t k = indptr[items[i]]; k < end; k++) acc[rows[k]] += act * weights[k];
    }
}

}  // namespace

extern "C" {

// Fills counts and fillers, int32 [n, pes], from words [pes, length] and pointers [pes, n + 1];
// returns the last row inside a PE, or -1.
int64_t openeie_count_words(const uint64_t* words, int64_t length, const uint32_t* pointers,
                            int64_t n, int64_t pes, const int16_t* codebook, const Format* form,
                            int32_t* counts, int32_t* fillers) {
    const int64_t longest = (int64_t(1) << form->run_width) - 1;
    int64_t last = -1;
    for (int64_t i = 0; i < pes; i++, words += length, pointers += n + 1)
        for (int64_t j = 0; j < n; j++) {
            const int64_t first = number_of(pointers[j], *form);
            const int64_t end = number_of(pointers[j + 1], *form);
            int64_t row = -1;
            int32_t padding = 0;
            for (int64_t k = first; k < end; k++) {
                const Entry e = entry(words, k, codebook, *form);
                row += e.run + 1;
                if (e.run == longest && e.weight == 0)
                    padding++;
                else
                    last = std::max(last, row);
            }
            counts[j * pes + i] = int32_t(end - first);
            fillers[j * pes + i] = padding;
        }
    return last;
}

// Fills rows and weights, without fillers, column by column and PE by PE. `wide`: rows are int32,
// else uint16.
void openeie_fill_words(const uint64_t* words, int64_t length, const uint32_t* pointers, int64_t n,
                        int64_t pes, const int16_t* codebook, const Format* form, int wide,
                        void* rows, int16_t* weights) {
    if (wide)
        fill(words, length, pointers, n, pes, codebook, *form, static_cast<int32_t*>(rows),
             weights);
    else
        fill(words, length, pointers, n, pes, codebook, *form, static_cast<uint16_t*>(rows),
             weights);
}

// acc int64 [vectors, m] += W x, entry by entry, for the columns in items [count]; x int32
// [vectors, n].
void openeie_accumulate(const int32_t* items, int64_t count, const int32_t* x, int64_t n,
                        const int64_t* indptr, const void* rows, int wide, const int16_t* weights,
                        int64_t* acc, int64_t m) {
    if (wide)
        accumulate(items, count, x, n, indptr, static_cast<const int32_t*>(rows), weights, acc,
                   m);
    else
        accumulate(items, count, x, n, indptr, static_cast<const uint16_t*>(rows), weights, acc,
                   m);
}

// Adds the entries of each column and PE to counts, and the fillers among them to fillers, int32
// [n, pes]; rows [weights] rise inside a column.
void openeie_occupancy(const int64_t* indptr, const int32_t* rows, int64_t n, int64_t pes,
                       int64_t longest, int32_t* counts, int32_t* fillers) {
    const uint32_t divisor = uint32_t(pes), step = uint32_t(longest + 1);
    std::vector<int32_t> next(pes);     // the row after a PE's last one
    for (int64_t j = 0; j < n; j++, counts += pes, fillers += pes) {
        std::fill(next.begin(), next.end(), 0);
        for (int64_t k = indptr[j]; k < indptr[j + 1]; k++) {
            const uint32_t row = uint32_t(rows[k]);
            const uint32_t local = row / divisor, pe = row % divisor;
            const int32_t padding = int32_t((local - uint32_t(next[pe])) / step);
            counts[pe] += padding + 1;
            fillers[pe] += padding;
            next[pe] = int32_t(local + 1);
        }
    }
}

// Reads of the entry memory by all PEs: a PE keeps a word until it reads another one. columns
// int32 [count] rise inside a vector; counts int32 [n, pes]; `slots` entries a word.
int64_t openeie_words(const int32_t* columns, int64_t count, const int32_t* counts, int64_t pes,
                      int64_t slots) {
    const uint32_t size = uint32_t(slots);
    std::vector<uint32_t> first(pes);               // a PE's first entry of column `next`
    std::vector<uint32_t> held(pes, UINT32_MAX);    // the word that a PE read last
    int64_t total = 0;
    int32_t next = 0;
    for (int64_t k = 0; k < count; k++) {
        if (columns[k] < next) {                    // another vector
            std::fill(first.begin(), first.end(), 0);
            next = 0;
        }
        for (; next < columns[k]; next++)
            for (int64_t i = 0; i < pes; i++) first[i] += uint32_t(counts[next * pes + i]);
        const int32_t* entries = counts + int64_t(columns[k]) * pes;
        for (int64_t i = 0; i < pes; i++) {
            if (!entries[i]) continue;
            const uint32_t begin = first[i] / size;
            const uint32_t end = (first[i] + uint32_t(entries[i]) - 1) / size;
            total += end - begin + (begin != held[i]);
            held[i] = end;
        }
    }
    return total;
}

// The timing of EIE's authors, as ../../study/authors.py describes it: the cycle after the last
// entry. items int32 [count]; counts int32 [n, pes]; usable entries of a queue.
int64_t openeie_authors(const int32_t* items, int64_t count, const int32_t* counts, int64_t pes,
                        int64_t usable) {
    std::vector<int64_t> free(pes, 0);          // the cycle after a PE's last entry so far
    std::vector<int64_t> pops(usable, -1);      // last pop of the items still in a queue
    int64_t sent = -1, scanned = 0, row = 0;
    for (int64_t k = 0; k < count; k++) {
        const int64_t column = items[k];
        if (column / pes != row) {
            // Rows in between take a cycle each, and so does the end of a row without a hit in
            // its last lane.
            const bool full = k > 0 && items[k - 1] % pes == pes - 1;
            scanned += column / pes - row - full;
            row = column / pes;
        }
        const int64_t earliest = k == 0 ? scanned : std::max(scanned, sent + 1);
        const int64_t broadcast = std::max(earliest, pops[k % usable] + 1);
        const int32_t* work = counts + column * pes;
        int64_t last = 0;
        for (int64_t i = 0; i < pes; i++) {
            const int64_t pop = std::max(free[i], broadcast + 1);
            free[i] = pop + std::max(work[i], 1);
            last = std::max(last, pop);
        }
        pops[k % usable] = last;
        sent = broadcast;
        scanned = broadcast + 1;
    }
    return *std::max_element(free.begin(), free.end());
}

}  // extern "C"
