// SPDX-License-Identifier: Apache-2.0
// The recurrence of docs/timing.md: cycles and counters of launches of a tile.
// ../recurrence_in_numpy.py is the same in NumPy, slower and easier to read; the tests compare them.
//
// Loops over PEs are innermost and contiguous, so that the compiler turns them into vector
// instructions. Cycles of a PE have 32 bits where that is proved to be enough, else 64.
#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

// As recurrence_state.Shape and .Latencies; the order of the fields is the same.
struct Shape {
    int64_t src_rows, acc_rows, queue_depth, acc_banks, lanes;
};

struct Latencies {
    int64_t first_scan, broadcast, refill, queue, pointers, entries, decode, token, row, commit,
        counted;
};

// As recurrence_state.Log; null pointers if nothing is logged.
struct Log {
    const int64_t* numbers;
    int64_t most;               // length of a row of numbers
    int32_t *leave, *broadcast, *pop, *known, *read;
};

constexpr int32_t kToken = -1;
enum Counter { kBusy, kFiller, kEmpty, kStarved, kBlocked, kWriteback, kDrain, kCounters };

// With broadcasts and pops up to kLatest, work of an item below kMostWork and a writeback below
// kLongestWriteback, no cycle of a PE reaches 2^31: free(k) is at most pop(k) and the work and the
// writebacks of three items.
constexpr int64_t kLatest = int64_t(1) << 30;
constexpr int32_t kMostWork = 1 << 28;
constexpr int64_t kLongestWriteback = 1 << 26;

template <typename T>
constexpr T kNever = sizeof(T) == 4 ? T(-(1 << 28)) : T(-(int64_t(1) << 40));

// State of the PEs that share a broadcast; the names are those of recurrence_state.Group.
template <typename T>
struct Group {
    std::vector<T> known, read, freed, free, pend;
    std::vector<T> counters[kCounters];
    std::vector<int64_t> pops;
    int64_t leave = 0, broadcast = 0, items = 0;
    bool pending = false;
    int64_t ready = 0;          // when its lnzd can take another row

    void reset(int64_t pes, const Shape& shape, const Latencies& lat) {
        known.assign(pes, kNever<T>);
        read.assign(pes, kNever<T>);
        freed.assign(pes, kNever<T>);
        free.assign(pes, T(-lat.counted - lat.decode));
        pend.assign(pes, kNever<T>);
        for (auto& counter : counters) counter.assign(pes, 0);
        pops.assign(shape.queue_depth, kNever<int64_t>);
        leave = broadcast = items = ready = 0;
        pending = false;
    }
};

// Takes a column through every PE: replaces known = X and read = S of the item before by this
// one's, and free by the S that would follow without a bubble; kCount: freed = the free before.
// Returns the last pop, and adds the bits of all work to `bits`.
template <typename T, bool kCount>
inline T advance(int64_t pes, T earliest, const int32_t* __restrict work, const Latencies& lat,
                 T* __restrict known, T* __restrict read, T* __restrict free,
                 T* __restrict freed, int32_t& bits) {
    const T pointers = T(lat.pointers), entries = T(lat.entries);
    T last = earliest;
    int32_t seen = 0;
    for (int64_t i = 0; i < pes; i++) {
        const T pop = std::max(earliest, known[i]);
        const T x = std::max(T(pop + pointers), read[i]);
        const T s = std::max(T(x + entries), free[i]);
        if (kCount) freed[i] = free[i];
        known[i] = x;
        read[i] = s;
        free[i] = s + std::max(T(work[i]), T(1));
        last = std::max(last, pop);
        seen |= work[i];
    }
    bits |= seen;
    return last;
}

// Lets an item wait in next_column for the writeback of the vector before it.
template <typename T>
inline void hold(int64_t pes, T* __restrict read, T* __restrict free, const T* __restrict pend) {
    for (int64_t i = 0; i < pes; i++) {
        const T work = free[i] - read[i];
        read[i] = std::max(read[i], pend[i]);
        free[i] = read[i] + work;
    }
}

// Adds the idle cycles of decode_column before an item: those up to pend are writeback; of the
// others, those in first .. last are blocked. Returns whether a pending interval goes on.
template <typename T>
inline bool classify(int64_t pes, T first, T last, T decode, const T* __restrict read,
                     const T* __restrict freed, const T* __restrict pend, T* __restrict blocked,
                     T* __restrict writeback) {
    int32_t goes_on = 0;
    for (int64_t i = 0; i < pes; i++) {
        const T begin = freed[i] + decode;
        const T end = read[i] + decode - 1;
        const T waiting = std::max(T(0), T(std::min(end, pend[i]) - begin + 1));
        writeback[i] += waiting;
        blocked[i] += std::max(T(0), T(std::min(end, last) - std::max(T(begin + waiting), first)
                                       + 1));
        goes_on |= pend[i] > end;
    }
    return goes_on;
}

// Counts the cycles for which decode_column holds a column, whenever that is.
template <typename T>
inline void tally(int64_t pes, const int32_t* __restrict work, const int32_t* __restrict fillers,
                  T* __restrict busy, T* __restrict filler, T* __restrict empty) {
    for (int64_t i = 0; i < pes; i++) {
        busy[i] += work[i] - fillers[i];
        filler[i] += fillers[i];
        empty[i] += work[i] == 0;
    }
}

// One launch after another, of clusters that take its vectors in turn.
template <typename T, bool kCount>
struct Launches {
    const int32_t* items;               // columns, and kToken after each vector
    const int32_t *counts, *fillers;    // [clusters, n, pes]
    int64_t n, pes, clusters, vectors;
    Shape shape;
    Latencies lat;
    const Log* log;
    std::vector<Group<T>> groups;
    std::vector<int32_t> nothing;       // a token's work
    std::vector<const int32_t*> next;   // the next item of each cluster
    int32_t bits = 0;
    bool fits = true;

    void write_log(int64_t q, int64_t k, int64_t leave, int64_t broadcast, T earliest) {
        Group<T>& g = groups[q];
        log->leave[k] = int32_t(leave);
        log->broadcast[k] = int32_t(broadcast);
        for (int64_t i = 0; i < pes; i++)
            log->pop[k * pes + i] = int32_t(std::max(earliest, g.known[i]));
    }

    // An item leaves lnzd in cycle `leave`, and goes through broadcast and every PE.
    void send(int64_t q, int32_t column, int64_t leave) {
        Group<T>& g = groups[q];
        const bool token = column == kToken;
        const int64_t place = (q * n + column) * pes;
        const int32_t* work = token ? nothing.data() : counts + place;
        int64_t& slot = g.pops[g.items % shape.queue_depth];
        const int64_t broadcast = std::max(leave + lat.broadcast, slot + lat.refill);
        const T earliest = T(broadcast + lat.queue);
        int64_t k = 0;
        if (log) {
            k = log->numbers[q * log->most + g.items];
            write_log(q, k, leave, broadcast, earliest);
        }
        const T last = advance<T, kCount>(pes, earliest, work, lat, g.known.data(), g.read.data(),
                                          g.free.data(), g.freed.data(), bits);
        slot = last;
        if (sizeof(T) == 4) fits &= broadcast <= kLatest && last <= kLatest;
        // A single bank is not free for the next vector's columns either.
        if (token || (shape.acc_banks == 1 && g.pending))
            hold(pes, g.read.data(), g.free.data(), g.pend.data());
        if (log) {
            std::copy_n(g.known.begin(), pes, log->known + k * pes);
            std::copy_n(g.read.begin(), pes, log->read + k * pes);
        }
        if (kCount) count(g, token, place, leave, broadcast);
        if (token) {
            const T rows = T(lat.token + lat.row * shape.acc_rows);
            for (int64_t i = 0; i < pes; i++) g.pend[i] = g.read[i] + rows;
            g.pending = true;
        }
        g.leave = leave;
        g.broadcast = broadcast;
        g.items++;
    }

    void count(Group<T>& g, bool token, int64_t place, int64_t leave, int64_t broadcast) {
        const int64_t lag = lat.queue + lat.pointers + lat.entries + lat.decode;
        const int64_t first = leave + lat.broadcast + lag;
        const int64_t last = broadcast + lag - 1;
        if (g.pending || last >= first)
            g.pending = classify(pes, T(first), T(last), T(lat.decode), g.read.data(),
                                 g.freed.data(), g.pend.data(), g.counters[kBlocked].data(),
                                 g.counters[kWriteback].data());
        if (token)
            for (T& cycles : g.counters[kWriteback]) cycles++;
        else
            tally(pes, counts + place, fillers + place, g.counters[kBusy].data(),
                  g.counters[kFiller].data(), g.counters[kEmpty].data());
    }

    // Sends the items of one row, which lnzd takes in cycle `accept`. The row has the columns
    // below `end`; the last row of a vector is followed by its token.
    void run_row(int64_t q, int64_t accept, int64_t end, bool last) {
        Group<T>& g = groups[q];
        const int32_t*& item = next[q];
        int64_t leave = accept;
        bool empty = true;
        for (; *item != kToken && *item < end; item++) {
            leave = std::max(leave + 1, g.broadcast);
            send(q, *item, leave);
            empty = false;
        }
        if (last) {
            leave = std::max(leave + 1, g.broadcast);
            send(q, kToken, leave);
            empty = false;
        }
        g.ready = empty ? accept + 1 : leave;
    }

    // The first item behind the token that follows `item`.
    static const int32_t* behind_token(const int32_t* item) {
        while (*item != kToken) item++;
        return item + 1;
    }

    // One launch: returns its cycles.
    int64_t run() {
        for (auto& group : groups) group.reset(pes, shape, lat);
        int64_t accept = lat.first_scan - 2;
        for (int64_t vector = 0; vector < vectors; vector += clusters) {
            const int64_t turn = std::min(clusters, vectors - vector);
            for (int64_t q = 0; q < turn; q++) {
                next[q] = items;
                items = behind_token(items);
            }
            for (int64_t row = 0; row < shape.src_rows; row++)
                for (int64_t q = 0; q < turn; q++) {
                    accept = std::max(accept + 1, groups[q].ready);
                    run_row(q, accept, (row + 1) * shape.lanes, row == shape.src_rows - 1);
                }
        }
        int64_t cycles = 0;
        for (const auto& group : groups)
            cycles = std::max<int64_t>(
                cycles, *std::max_element(group.pend.begin(), group.pend.end()) + lat.commit);
        return cycles;
    }

    // Writes counters [clusters x pes, kCounters]; what is not counted otherwise is starved.
    void finish(int64_t cycles, int64_t* counters) const {
        for (const auto& g : groups)
            for (int64_t i = 0; i < pes; i++, counters += kCounters) {
                int64_t rest = cycles;
                for (int c = 0; c < kCounters; c++) counters[c] = g.counters[c][i];
                counters[kWriteback] += g.pend[i] - g.read[i] - lat.decode;
                counters[kDrain] += cycles - 1 - lat.counted - g.pend[i];
                for (int c = 0; c < kCounters; c++) rest -= counters[c];
                counters[kStarved] = rest;
            }
    }
};

template <typename T, bool kCount>
int64_t run_launches(const int32_t* items, int64_t launches, int64_t vectors,
                     const int32_t* counts, const int32_t* fillers, int64_t clusters, int64_t n,
                     int64_t pes, const Shape& shape, const Latencies& lat, const Log* log,
                     int64_t* cycles, int64_t* counters) {
    Launches<T, kCount> all{items, counts, fillers, n, pes, clusters, vectors, shape, lat, log};
    all.groups.resize(clusters);
    all.nothing.assign(pes, 0);
    all.next.resize(clusters);
    for (int64_t launch = 0; launch < launches; launch++) {
        cycles[launch] = all.run();
        if (kCount) all.finish(cycles[launch], counters + launch * clusters * pes * kCounters);
    }
    if (sizeof(T) == 8) return true;
    return all.fits && all.bits >= 0 && all.bits < kMostWork;
}

}  // namespace

extern "C" {

// Items of vectors [vectors, n]: the columns that are set, and kToken after each vector. `items`
// has room for vectors * (n + 1); returns their number.
int64_t openeie_items(const uint8_t* set, int64_t vectors, int64_t n, int32_t* items) {
    int32_t* put = items;
    for (int64_t vector = 0; vector < vectors; vector++, set += n) {
        for (int64_t j = 0; j < n; j++) {
            *put = int32_t(j);
            put += set[j] != 0;
        }
        *put++ = kToken;
    }
    return put - items;
}

// Launches of `vectors` vectors each, whose items follow each other. Fills cycles [launches] and,
// unless null, counters [launches, clusters x pes, 7]; with a log, there is one launch. `wide`:
// count in 64 bits. Returns whether 32 bits were enough; if not, the results are worthless.
int openeie_launches(const int32_t* items, int64_t launches, int64_t vectors,
                     const int32_t* counts, const int32_t* fillers, int64_t clusters, int64_t n,
                     int64_t pes, const Shape* shape, const Latencies* lat, const Log* log,
                     int wide, int64_t* cycles, int64_t* counters) {
    const int64_t writeback = lat->token + lat->row * shape->acc_rows;
    if (!wide && writeback >= kLongestWriteback) return false;
    const auto run = wide ? (counters ? run_launches<int64_t, true> : run_launches<int64_t, false>)
                          : (counters ? run_launches<int32_t, true> : run_launches<int32_t, false>);
    return run(items, launches, vectors, counts, fillers, clusters, n, pes, *shape, *lat, log,
               cycles, counters);
}

}  // extern "C"
