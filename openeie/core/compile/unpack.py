# SPDX-License-Identifier: Apache-2.0
"""A program's memory images back into entries, decoded as the hardware decodes them."""
import numpy as np

from ..array.config import ENCODINGS, ArrayConfig
from ..array.descriptor import TABLE_WORD, descriptor_layout, read_descriptor, unpack
from ..entries.encoding import Entries
from ..errors import EncodingError
from .program import Program

__all__ = ["read_pointers", "unpack_layer"]

_WINDOW_BITS = 32       # of a Huffman stream that are looked at together: two codewords fit


def read_pointers(program: Program, index: int) -> tuple[str, int, np.ndarray]:
    """Encoding, table number and column pointers of tile ``index``, as the images hold them.

    The pointers, uint32 [PEs, n + 1], are a view.

    Raises
    ------
    EncodingError : column pointers out of order or outside the memory, or an encoding or table that
        does not exist.
    """
    config = program.config
    fields = read_descriptor(config, program.descriptors[index])
    base = fields["pointer_base"]
    end = base + program.tiles[index].columns + 1
    if end > program.pointers.shape[1]:
        raise EncodingError(f"tile {index}: pointers {base} .. {end - 1} lie outside the "
                            f"{program.pointers.shape[1]} of the image; compile it again")
    table = fields["table"]
    if table >= len(program.codebooks):
        raise EncodingError(f"tile {index} names table {table}, but the program's tables are "
                            f"0 .. {len(program.codebooks) - 1}; compile it again")
    pointers = program.pointers[:, base:end]
    if np.any(pointers[:, :-1] > pointers[:, 1:]) \
            or pointers.max() > program.entries.shape[1] << config.place_width:
        raise EncodingError(f"tile {index}: column pointers fall, or point beyond the "
                            f"{program.entries.shape[1]} words of entry memory; compile it again")
    if fields["encoding"] >= len(ENCODINGS):
        raise EncodingError(f"tile {index}: encoding {fields['encoding']} does not exist; "
                            f"compile it again")
    encoding = ENCODINGS[fields["encoding"]]
    if encoding != "huffman":
        _check_slots(config, encoding, pointers)
    return encoding, table, pointers


def _check_slots(config: ArrayConfig, encoding: str, pointers: np.ndarray) -> None:
    """Refuse pointers to a slot that a word does not have."""
    slots = config.slots(encoding)
    slot = pointers & ((1 << config.place_width) - 1)
    if np.any(slot >= slots):
        raise EncodingError(f"a column pointer names slot {slot.max()} of {slots}")


def unpack_layer(program: Program, index: int) -> Entries:
    """Entries of tile ``index``, decoded from nothing but the memory images.

    ``code`` is None, because the images hold a codebook in the order that decoding needs.

    Raises
    ------
    EncodingError : as :func:`read_pointers`; or decoding does not stop at the end of a column.
    """
    encoding, table, pointers = read_pointers(program, index)
    wide = pointers.astype(np.int64)
    start = wide[:, :-1]
    end = wide[:, 1:]
    if encoding == "huffman":
        count, run, value = _read_huffman(program, index, table, start, end)
    else:
        count, run, value = _read_fixed(program, table, encoding, start, end)
    is_filler = (run == program.config.max_run) & (value == 0)
    return Entries(count=count, run=run, value=value, filler=is_filler)


def _read_fixed(program: Program, table: int, encoding: str, start: np.ndarray, end: np.ndarray
                ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries of fixed length: count int32 [PEs, n], run uint8 and value int16 [entries]."""
    config = program.config
    width = config.entry_widths[encoding]
    slots = config.slots(encoding)
    first = _slot_number(config, slots, start)
    count = _slot_number(config, slots, end) - first

    # The slot number of every entry: columns one after another, each counting up from its first.
    per_column = count.reshape(-1)
    begins = np.cumsum(per_column) - per_column
    entry = np.arange(per_column.sum()) + np.repeat(first.reshape(-1) - begins, per_column)
    pe = np.repeat(np.arange(config.pes), count.sum(axis=1))
    shift = (entry % slots * width).astype(np.uint64)
    field = program.entries[pe, entry // slots] >> shift

    run = (field & np.uint64(config.max_run)).astype(np.uint8)
    payload = (field >> np.uint64(config.run_width)).astype(np.int64)
    if encoding == "csr":
        sign = 1 << (config.weight_width - 1)
        value = ((payload & (2 * sign - 1)) ^ sign) - sign
    else:
        value = program.codebooks[table, payload & ((1 << config.code_width) - 1)]
    return count.astype(np.int32), run, value.astype(np.int16)


def _slot_number(config: ArrayConfig, slots: int, pointer: np.ndarray) -> np.ndarray:
    """Number of the slot that a pointer names, counted from the first word's first slot."""
    word = pointer >> config.place_width
    slot = pointer & ((1 << config.place_width) - 1)
    return word * slots + slot


def _read_huffman(program: Program, index: int, table: int, start: np.ndarray, end: np.ndarray
                  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Huffman entries: count int32 [PEs, n], run uint8 and value int16 [entries].

    Columns of all PEs are decoded side by side, one entry of each per round.
    """
    config = program.config
    tables = _huffman_tables(program, index)
    position = start.reshape(-1).copy()
    stop = end.reshape(-1)
    pe = np.repeat(np.arange(config.pes), start.shape[1])
    count = np.zeros(len(position), np.int32)
    columns = [np.zeros(0, np.int64)]
    runs = [np.zeros(0, np.int64)]
    codes = [np.zeros(0, np.int64)]
    active = np.flatnonzero(position < stop)
    while len(active):
        window = _window(program, pe[active], position[active])
        run, run_length = _codeword(config, tables, "run", window, config.run_width)
        code, code_length = _codeword(config, tables, "code", window << run_length,
                                      config.code_width)
        position[active] += run_length + code_length
        count[active] += 1
        columns.append(active)
        runs.append(run)
        codes.append(code)
        active = active[position[active] < stop[active]]
    if np.any(position != stop):
        raise EncodingError(f"tile {index}: decoding runs past the end of a column")
    order = np.argsort(np.concatenate(columns), kind="stable")     # from rounds back to columns
    run = np.concatenate(runs)[order]
    code = np.concatenate(codes)[order]
    return (count.reshape(start.shape), program.run_symbols[table, run],
            program.codebooks[table, code])


def _huffman_tables(program: Program, index: int) -> dict[str, np.ndarray]:
    """Fields of :data:`TABLE_WORD` from a tile's descriptor, int64 [max_code_length] each."""
    words = program.descriptors[index][len(descriptor_layout(program.config)):]
    tables = {name: np.zeros(len(words), np.int64) for name, _ in TABLE_WORD}
    for place, word in enumerate(words):
        for name, value in unpack(TABLE_WORD, int(word)).items():
            tables[name][place] = value
    return tables


def _window(program: Program, pe: np.ndarray, position: np.ndarray) -> np.ndarray:
    """The next 32 bits of each PE's stream from bit ``position`` on, int64."""
    width = program.config.word_width
    words = program.entries
    place = (position % width).astype(np.uint64)
    first = words[pe, position // width]
    second = words[pe, np.minimum(position // width + 1, words.shape[1] - 1)]
    if width == _WINDOW_BITS:
        both = (first << np.uint64(width) | second) << place
        return (both >> np.uint64(width)).astype(np.int64) & 0xFFFFFFFF
    # Words of 64 bits: what the first word lacks comes from the top of the second.
    shift = np.uint64(64) - np.maximum(place, np.uint64(1))
    low = np.where(place > 0, second >> shift, 0).astype(np.uint64)
    return ((first << place | low) >> np.uint64(64 - _WINDOW_BITS)).astype(np.int64)


def _codeword(config: ArrayConfig, tables: dict[str, np.ndarray], name: str, window: np.ndarray,
              rank_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rank and length of the codeword at the top of each window; ``name`` is run or code."""
    longest = config.max_code_length
    top = (window & 0xFFFFFFFF) >> (_WINDOW_BITS - longest)
    length = np.searchsorted(tables[f"{name}_limit"], top, side="right") + 1
    length = np.minimum(length, longest)            # as the hardware does with an invalid window
    rank = (top >> (longest - length)) + tables[f"{name}_offset"][length - 1]
    return rank & ((1 << rank_width) - 1), length
