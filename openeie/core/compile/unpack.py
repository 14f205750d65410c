# SPDX-License-Identifier: Apache-2.0
"""Entries back out of a program's memory images, walked as the hardware walks them."""
import numpy as np

from ..array.config import ENCODINGS
from ..array.descriptor import TABLE_WORD, descriptor_layout, read_descriptor, unpack
from ..entries.encoding import Entries
from ..errors import EncodingError
from .program import Program

__all__ = ["read_pointers", "unpack_layer"]


def read_pointers(program: Program, index: int) -> tuple[str, int, np.ndarray]:
    """Encoding, table and column pointers uint32 [PEs, n + 1] of layer ``index``, as the images
    have them; the pointers are a view.

    Raises
    ------
    EncodingError : a column's pointers are out of order or outside the memory, or there is no such
        encoding or table.
    """
    config, n = program.config, program.tiles[index].columns
    fields = read_descriptor(config, program.descriptors[index])
    base, table = fields["pointer_base"], fields["table"]
    if base + n + 1 > program.pointers.shape[1]:
        raise EncodingError(f"layer {index}: pointers {base} .. {base + n} lie outside the "
                            f"{program.pointers.shape[1]} of the image")
    if table >= len(program.codebooks):
        raise EncodingError(f"layer {index}: table {table} of {len(program.codebooks)}")
    pointers = program.pointers[:, base:base + n + 1]
    if np.any(pointers[:, :-1] > pointers[:, 1:]) \
            or pointers.max() > program.entries.shape[1] << config.place_width:
        raise EncodingError(f"layer {index}: column pointers fall, or point beyond the "
                            f"{program.entries.shape[1]} words of entry memory")
    if fields["encoding"] >= len(ENCODINGS):
        raise EncodingError(f"layer {index}: encoding {fields['encoding']} does not exist")
    encoding = ENCODINGS[fields["encoding"]]
    if encoding != "huffman":
        slot, slots = pointers & ((1 << config.place_width) - 1), config.slots(encoding)
        if np.any(slot >= slots):
            raise EncodingError(f"a column pointer names slot {slot.max()} of {slots}")
    return encoding, table, pointers


def unpack_layer(program: Program, index: int) -> Entries:
    """Entries of layer ``index``, from the images alone: descriptor, pointers, words, tables.

    ``code`` is None: images hold codebooks in the order that decoding needs.

    Raises
    ------
    EncodingError : as :func:`read_pointers`; or decoding does not arrive at a column's end.
    """
    config = program.config
    encoding, table, pointers = read_pointers(program, index)
    pointers = pointers.astype(np.int64)
    start, end = pointers[:, :-1], pointers[:, 1:]
    if encoding == "huffman":
        count, run, value = _walk_huffman(program, index, table, start, end)
    else:
        count, run, value = _walk_fixed(program, table, encoding, start, end)
    return Entries(count=count, run=run, value=value, filler=(run == config.max_run) & (value == 0))


def _walk_fixed(program, table, encoding, start, end):
    config = program.config
    width, slots = config.entry_widths[encoding], config.slots(encoding)

    def number(pointer):
        return ((pointer >> config.place_width) * slots
                + (pointer & ((1 << config.place_width) - 1)))
    first, count = number(start), number(end) - number(start)
    flat = count.reshape(-1)
    before = np.concatenate([[0], np.cumsum(flat)[:-1]])
    entry = np.arange(flat.sum()) + np.repeat(first.reshape(-1) - before, flat)
    pe = np.repeat(np.arange(config.pes), count.sum(axis=1))
    field = program.entries[pe, entry // slots] >> (entry % slots * width).astype(np.uint64)
    run = (field & np.uint64(config.max_run)).astype(np.uint8)
    payload = (field >> np.uint64(config.run_width)).astype(np.int64)
    if encoding == "csr":
        sign = 1 << (config.weight_width - 1)
        value = ((payload & (2 * sign - 1)) ^ sign) - sign
    else:
        value = program.codebooks[table, payload & ((1 << config.code_width) - 1)]
    return count.astype(np.int32), run, value.astype(np.int16)


def _walk_huffman(program, index, table, start, end):
    """All columns of all PEs side by side: one entry of each per round."""
    config = program.config
    words = program.descriptors[index][len(descriptor_layout(config)):]
    tables = [unpack(TABLE_WORD, int(word)) for word in words]
    columns = {name: np.array([row[name] for row in tables], np.int64)
               for name, _ in TABLE_WORD}
    position, stop = start.reshape(-1).copy(), end.reshape(-1)
    pe = np.repeat(np.arange(config.pes), start.shape[1])
    count = np.zeros(len(position), np.int32)
    lanes, runs, codes = [], [], []
    active = np.flatnonzero(position < stop)
    while len(active):
        window = _window(program, pe[active], position[active])
        run, run_length = _codeword(config, columns, "run", window, config.run_width)
        code, code_length = _codeword(config, columns, "code", window << run_length,
                                      config.code_width)
        position[active] += run_length + code_length
        count[active] += 1
        lanes.append(active)
        runs.append(run)
        codes.append(code)
        active = active[position[active] < stop[active]]
    if np.any(position != stop):
        raise EncodingError(f"layer {index}: decoding runs past the end of a column")
    order = np.argsort(np.concatenate(lanes), kind="stable") if lanes else np.zeros(0, int)

    def gather(parts):
        return np.concatenate(parts)[order] if parts else np.zeros(0, np.int64)
    return (count.reshape(start.shape), program.run_symbols[table, gather(runs)],
            program.codebooks[table, gather(codes)])


def _window(program, pe, position):
    """int64: the next 2 x ``max_code_length`` bits of each PE's stream, at the top of 32."""
    width, words = program.config.word_width, program.entries
    place = (position % width).astype(np.uint64)
    first = words[pe, position // width]
    second = words[pe, np.minimum(position // width + 1, words.shape[1] - 1)]
    if width == 32:
        return (((first << np.uint64(32) | second) << place) >> np.uint64(32)).astype(
            np.int64) & 0xFFFFFFFF
    low = np.where(place > 0, second >> (np.uint64(64) - np.maximum(place, np.uint64(1))), 0)
    return ((first << place | low.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


def _codeword(config, columns, name, window, rank_width):
    """Rank and length of the codeword at the top of a window's 32 bits."""
    longest = config.max_code_length
    top = (window & 0xFFFFFFFF) >> (32 - longest)
    length = np.searchsorted(columns[f"{name}_limit"], top, side="right") + 1
    length = np.minimum(length, longest)            # as the decoder does with a bad window
    rank = (top >> (longest - length)) + columns[f"{name}_offset"][length - 1]
    return rank & ((1 << rank_width) - 1), length
