# SPDX-License-Identifier: Apache-2.0
"""The pipeline of docs/timing.md, one cycle at a time: slow, obvious, independent of ``fast``.

Each class is one block with the registers that the page names. In every cycle the blocks look at
their registers, from the last to the first, and decide what moves; nothing here knows the
recurrence, and the latencies are those of the registers themselves.
"""
from collections import deque
from dataclasses import dataclass

from openeie.core.array.counters import COUNTERS

__all__ = ["step_layer"]

_TOKEN_TRAVEL = 6       # cycles from the token's decoding to the one before the first row is read
_ROW = 8                # cycles for which a row is read
_COMMIT = 10             # the last row's way through requantisation to the end of the layer
_EXPLAINED = 4          # a broadcast is decoded in an idle PE this much later
_COUNTED = 3            # the counters' latency, less the cycle by which they learn late
                        # that a layer runs


@dataclass
class Item:
    """A broadcast column, or a token; ``work[i]`` = entries of PE i, ``fillers[i]`` of them."""
    token: bool
    work: list
    fillers: list


class Source:
    """Scan and each cluster's lnzd: a row from the activation memories, then a buffer's hits."""
    def __init__(self, rows, clusters):
        # Not yet read: (cluster, items), a vector's token at its end.
        self.rows = deque(rows)
        self.fetched = None                 # in the memories' outputs
        self.second = None                  # in the first register behind them
        self.first = None                   # offered to lnzd; waits for its cluster's buffer
        self.buffers = [None] * clusters    # items of the rows that each lnzd works on

    def offer(self, cluster):
        """The hit that lnzd's tree finds, if any."""
        return self.buffers[cluster][0] if self.buffers[cluster] else None

    def tick(self, running, sent):
        """``running``: the scan may read; ``sent``: the clusters whose offered items leave."""
        for cluster in sent:
            self.buffers[cluster].pop(0)
        stalled = self.fetched is not None and self.second is not None
        for cluster, buffer in enumerate(self.buffers):
            if not buffer:          # finished in this cycle, or a row without a hit
                self.buffers[cluster] = None
        if self.first is not None:
            cluster, items = self.first
            if self.buffers[cluster] is None:
                self.buffers[cluster] = items
                self.first = None
        if self.first is None and self.second is not None:
            self.first = self.second
            self.second = None
        elif self.first is None:
            self.first = self.fetched
            self.fetched = None
        elif self.second is None:
            self.second = self.fetched
            self.fetched = None
        if not stalled:
            self.fetched = self.rows.popleft() if running and self.rows else None


class PE:
    """Queue, pointer register, ``next_column``, ``decode_column`` and writeback."""
    def __init__(self, number, depth, acc_rows, vectors, banks):
        self.number = number
        self.depth = depth
        self.acc_rows = acc_rows
        self.vectors = vectors
        self.banks = banks
        self.queue = deque()
        self.pointers = None        # the item whose pointers are read
        self.next_column = None
        self.decode_column = None
        self.left = 0               # cycles decode_column still needs, this one included
        self.executed = 0           # entries of decode_column already executed
        self.pending = 0            # cycles for which the writeback still holds the next token up
        self.tokens = 0
        self.counters = dict.fromkeys(COUNTERS, 0)

    def has_room(self, pushed):
        """Whether one more fits after ``pushed``; a place freed in this cycle does not count."""
        return len(self.queue) + pushed < self.depth

    @property
    def done(self):
        """The last row of the last vector has been read in an earlier cycle."""
        return self.tokens == self.vectors and not self.pending and self.decode_column is None

    def classify(self, blocked):
        """Name of what is decoded in this cycle; an entry counts as ``busy`` until sorted out."""
        if self.decode_column is not None and self.decode_column.token:
            return "writeback"
        if self.decode_column is not None:
            if not self.decode_column.work[self.number]:
                return "empty_column"
            # Fillers stand first here; where they stand in a column makes no difference.
            return "filler" if self.executed < self.decode_column.fillers[self.number] else "busy"
        if self.pending:
            return "writeback"
        if self.tokens == self.vectors:
            return "drain"
        return "blocked" if blocked else "starved"

    def tick(self, pushed):
        """One clock edge; ``pushed``: the item that the broadcast writes into the queue."""
        token_in_decode = self.decode_column is not None and self.decode_column.token
        final = self.decode_column is not None and self.left == 1
        next_column = self.next_column
        # A token may leave next_column in the last cycle in which a row before it is read; so may
        # anything else if there is one bank only.
        bank_is_busy = self.pending > 1 or token_in_decode
        take = False
        if next_column is not None and (self.decode_column is None or final):
            take = not (bank_is_busy and (next_column.token or self.banks == 1))
        move = self.pointers is not None and (next_column is None or take)
        pop = bool(self.queue) and (self.pointers is None or move)

        self.pending = max(0, self.pending - 1)
        if token_in_decode:
            self.tokens += 1
            self.pending = _TOKEN_TRAVEL + _ROW * self.acc_rows
        if take:
            self.decode_column = next_column
            self.executed = 0
            self.left = 1 if next_column.token else max(1, next_column.work[self.number])
        elif final:
            self.decode_column = None
        elif self.decode_column is not None:
            self.left -= 1
            self.executed += 1
        if take or next_column is None:
            self.next_column = self.pointers if move else None
        if pop:
            self.pointers = self.queue.popleft()
        elif move:
            self.pointers = None
        if pushed is not None:
            self.queue.append(pushed)


def _rows(x, counts, fillers, lanes, clusters):
    """(cluster, items) of every row, in the order of the scan.

    The clusters take the vectors ``x`` in turn, one row of each cluster's vector at a time.
    """
    vectors = []
    for vector in x:
        rows = []
        for first in range(0, len(vector), lanes):
            hits = [j for j in range(first, min(first + lanes, len(vector))) if vector[j]]
            rows.append([Item(False, list(counts[j]), list(fillers[j])) for j in hits])
        rows[-1].append(Item(True, [], []))
        vectors.append(rows)
    scanned = []
    for first in range(0, len(vectors), clusters):
        together = vectors[first:first + clusters]
        for row in range(len(together[0])):
            scanned += [(cluster, vector[row]) for cluster, vector in enumerate(together)]
    return scanned


class Broadcast:
    """A register that waits until all PEs of its cluster have room."""
    def __init__(self, pes):
        self.pes = pes
        self.item = None            # waits for room
        self.room = True            # a cycle ago, all queues had room
        self.refusals = deque([False] * _EXPLAINED)     # of the last cycles, newest last

    def classify(self):
        """What each PE decodes, once it is known whether the broadcast was refused."""
        self.refusals.append(self.item is not None and not self.room)
        explained = self.refusals.popleft()
        return [pe.classify(explained) for pe in self.pes]

    def tick(self, offered):
        """``offered``: lnzd's hit, if any; returns whether it is taken."""
        pushed = self.item if self.room else None
        taken = (self.item is None or pushed is not None) and offered is not None
        if pushed is not None or self.item is None:
            self.item = offered
        self.room = all(pe.has_room(pushed is not None) for pe in self.pes)
        for pe in self.pes:
            pe.tick(pushed)
        return taken


def step_layer(x, counts, fillers, *, pes, queue_depth, acc_rows, fetch, acc_banks=2, clusters=1,
               exchange=0, limit=100_000):
    """Cycles and counters of one run of a layer: ``(cycles, [[seven counters] for each PE])``.

    x : activations [vectors][n]; counts, fillers : entries of each column, [n][pes];
    fetch : cycle of the first scan; exchange : cycles that results may take from one cluster to
    another.
    """
    source = Source(_rows(x, counts, fillers, pes, clusters), clusters)
    size = pes // clusters
    array = [PE(i, queue_depth, acc_rows, len(x[i // size::clusters]), acc_banks)
             for i in range(pes)]
    broadcasts = [Broadcast(array[first:first + size]) for first in range(0, pes, size)]
    history = [["starved"] * pes] * _COUNTED            # before cycle 0
    cycle = 0
    while not all(pe.done for pe in array):
        assert cycle < limit, "the stepper hangs"
        history.append([name for one in broadcasts for name in one.classify()])
        sent = [cluster for cluster, one in enumerate(broadcasts)
                if one.tick(source.offer(cluster))]
        source.tick(cycle >= fetch, sent)
        cycle += 1
    # The loop left in the cycle after the slowest PE read its last row.
    cycles = cycle - 1 + _COMMIT + exchange
    history += [["drain"] * pes] * (cycles - len(history))
    for names in history[:cycles]:
        for pe, name in zip(array, names):
            pe.counters[name] += 1
    return cycles, [[pe.counters[name] for name in COUNTERS] for pe in array]
