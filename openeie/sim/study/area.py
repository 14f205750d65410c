# SPDX-License-Identifier: Apache-2.0
"""LUTs of an array: an estimate from PEs that were synthesised, for comparing arrays.

The numbers are those of yosys' ``synth_ecp5``, a PE alone, as ``benchmarks/gateware.py`` measures
it; one field was changed at a time. Effects are added up, so that arrays that differ in several
fields are estimated: csr, codebook and huffman together with 64-bit words and 48-bit accumulators
were synthesised, too, at 4,011, and are estimated at 3,345 (17 % less). Left out: activations of 8
bits (8 % more), runs of 8 bits (2 % less) and codes of 8 bits (13 % less, a codebook in block RAM).
No routing, no clock, no other family.
"""
from ...core.array.config import ArrayConfig

__all__ = ["pe_luts", "array_luts"]

#: A PE of 16-bit activations and weights, 32-bit words, 36-bit accumulators in two banks, queues of
#: 8, 24-bit counters, codebook.
_BASE = 1370
#: What one bit more takes: from 48-bit accumulators, 8-bit weights, 32-bit counters.
_ACC_BIT, _WEIGHT_BIT, _COUNTER_BIT = 96 / 12, 83 / 8, 66 / 8
#: An entry of a queue, from 2, 64 and 256 of them.
_QUEUE_ENTRY = (2417 - 1357) / 254
_ONE_BANK, _LONG_WORD, _CSR, _HUFFMAN, _CONV = -199, 42, 4, 1833, 397
#: Sequencer, scan, lnzd, broadcast, load port and link, of the ULX3S 85F with convolutions, whose
#: 16 PEs and they take 26,308 (``openeie build -b ulx3s-85f-conv``).
_AROUND = 1220


def pe_luts(config: ArrayConfig) -> float:
    """LUT4 of one PE, carry chains and memories in LUTs among them."""
    luts = _BASE + _QUEUE_ENTRY * (config.queue_depth - 8)
    luts += _ACC_BIT * (config.acc_width - 36) + _COUNTER_BIT * (config.counter_width - 24)
    luts += _WEIGHT_BIT * (config.weight_width - 16)
    luts += _LONG_WORD * (config.word_width == 64) + _ONE_BANK * (config.acc_banks == 1)
    luts += _HUFFMAN * config.huffman + _CONV * config.conv
    return luts + _CSR * ("csr" in config.encodings and len(config.encodings) > 1)


def array_luts(config: ArrayConfig) -> int:
    """LUT4 of all PEs and what is around them."""
    return round(config.pes * pe_luts(config) + _AROUND)
