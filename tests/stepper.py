# SPDX-License-Identifier: Apache-2.0
"""The pipeline of docs/timing.md, one cycle at a time: slow, obvious, independent of ``fast``.

Each class is one block with the registers that the page names. In every cycle the blocks look at
their registers, from the last to the first, and decide what moves; nothing here knows the
recurrence, and the latencies are those of the registers themselves.
"""
from collections import deque
from dataclasses import dataclass

from openeie.core.counters import COUNTERS

__all__ = ["step_layer"]

_TOKEN_TRAVEL = 6       # cycles from the token in D to the cycle before the first row is read
_ROW = 8                # cycles for which a row is read
_COMMIT = 10             # the last row's way through requantisation to the end of the layer
_EXPLAINED = 4          # a broadcast reaches an idle D this many cycles later
_COUNTED = 3            # the counters' latency, less the cycle by which they learn late
                        # that a layer runs


@dataclass
class Item:
    """A broadcast column, or a token; ``work[i]`` = entries of PE i, ``fillers[i]`` of them."""
    token: bool
    work: list
    fillers: list


class Source:
    """Scan and lnzd: a row from the activation memories, then the buffer with its hits."""
    def __init__(self, rows):
        self.rows = deque(rows)     # not yet read: lists of items, a vector's token at its end
        self.fetched = None         # in the memories' outputs
        self.second = self.first = None     # registers behind them; `first` waits for the buffer
        self.buffer = None          # items of the row that lnzd works on

    def offer(self):
        """The hit that lnzd's tree finds, if any."""
        return self.buffer[0] if self.buffer else None

    def tick(self, running, sent):
        """``running``: the scan may read; ``sent``: the offered item leaves."""
        if sent:
            self.buffer.pop(0)
        held = self.fetched is not None and self.second is not None
        if not self.buffer:         # finished in this cycle, or a row without a hit: next row
            self.buffer, self.first = self.first, None
        if self.first is None:
            if self.second is None:
                self.first, self.fetched = self.fetched, None
            else:
                self.first, self.second = self.second, None
        elif self.second is None:
            self.second, self.fetched = self.fetched, None
        if not held:
            self.fetched = self.rows.popleft() if running and self.rows else None

    @property
    def done(self):
        """Nothing will ever be offered again."""
        return not (self.rows or self.fetched or self.second or self.first or self.buffer)


class PE:
    """Queue, pointer register P, next-column register A, decode stage D, writeback."""
    def __init__(self, number, depth, dst_rows, vectors, banks):
        self.number, self.depth = number, depth
        self.dst_rows, self.vectors, self.banks = dst_rows, vectors, banks
        self.queue = deque()
        self.pointers = self.next_column = self.decode = None
        self.left = 0               # cycles D still needs, this one included
        self.executed = 0           # entries of D's column already executed
        self.pending = 0            # cycles for which the writeback still holds the next token up
        self.tokens = 0
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.fillers_seen = 0

    def has_room(self, pushed):
        """Whether one more fits after ``pushed``; a place freed in this cycle does not count."""
        return len(self.queue) + pushed < self.depth

    @property
    def done(self):
        """The last row of the last vector has been read in an earlier cycle."""
        return self.tokens == self.vectors and not self.pending and self.decode is None

    def classify(self, blocked):
        """Name of what D does in this cycle; an entry counts as ``busy`` until sorted out."""
        if self.decode is not None and self.decode.token:
            return "writeback"
        if self.decode is not None:
            if not self.decode.work[self.number]:
                return "empty_column"
            # Fillers stand first here; where they stand in a column makes no difference.
            return "filler" if self.executed < self.decode.fillers[self.number] else "busy"
        if self.pending:
            return "writeback"
        if self.tokens == self.vectors:
            return "drain"
        return "blocked" if blocked else "starved"

    def tick(self, pushed):
        """One clock edge; ``pushed``: the item that the broadcast writes into the queue."""
        token_in_d = self.decode is not None and self.decode.token
        final = self.decode is not None and self.left == 1
        head = self.next_column
        # A token may leave A in the last cycle in which a row before it is read; so may anything
        # else if there is one bank only.
        take = head is not None and (self.decode is None or final) \
            and not ((head.token or self.banks == 1) and (self.pending > 1 or token_in_d))
        move = self.pointers is not None and (head is None or take)
        pop = bool(self.queue) and (self.pointers is None or move)

        self.pending = max(0, self.pending - 1)
        if token_in_d:
            self.tokens += 1
            self.pending = _TOKEN_TRAVEL + _ROW * self.dst_rows
        if take:
            self.decode, self.executed = head, 0
            self.left = 1 if head.token else max(1, head.work[self.number])
        elif final:
            self.decode = None
        elif self.decode is not None:
            self.left -= 1
            self.executed += 1
        if take or head is None:
            self.next_column = self.pointers if move else None
        if pop:
            self.pointers = self.queue.popleft()
        elif move:
            self.pointers = None
        if pushed is not None:
            self.queue.append(pushed)


def _rows(x, counts, fillers, pes):
    """Rows of items in the order of the scan; x: a list of vectors."""
    rows = []
    for vector in x:
        for first in range(0, len(vector), pes):
            rows.append([Item(False, list(counts[j]), list(fillers[j]))
                         for j in range(first, min(first + pes, len(vector))) if vector[j]])
        rows[-1].append(Item(True, [], []))
    return rows


def step_layer(x, counts, fillers, *, pes, queue_depth, dst_rows, fetch, acc_banks=2,
               limit=100_000):
    """Cycles and counters of one start: ``(cycles, [[seven counters] for each PE])``.

    x : activations [vectors][n]; counts, fillers : [n][pes]; fetch : cycle of the first scan.
    """
    source = Source(_rows(x, counts, fillers, pes))
    array = [PE(i, queue_depth, dst_rows, len(x), acc_banks) for i in range(pes)]
    held, room = None, True                             # the broadcast's registers
    refusals = deque([False] * _EXPLAINED)              # of the last cycles, newest last
    history = [["starved"] * pes] * _COUNTED            # D before cycle 0
    cycle = 0
    while not all(pe.done for pe in array):
        assert cycle < limit, "the stepper hangs"
        refusals.append(held is not None and not room)
        explained = refusals.popleft()
        history.append([pe.classify(explained) for pe in array])
        pushed = held if room else None
        offered = source.offer() if held is None or pushed is not None else None
        if pushed is not None or held is None:
            held = offered
        room = all(pe.has_room(pushed is not None) for pe in array)
        for pe in array:
            pe.tick(pushed)
        source.tick(cycle >= fetch, offered is not None)
        cycle += 1
    # The loop left in the cycle after the slowest PE read its last row.
    cycles = cycle - 1 + _COMMIT
    history += [["drain"] * pes] * (cycles - len(history))
    for names in history[:cycles]:
        for pe, name in zip(array, names):
            pe.counters[name] += 1
    return cycles, [[pe.counters[name] for name in COUNTERS] for pe in array]
