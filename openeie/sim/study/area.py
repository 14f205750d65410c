# SPDX-License-Identifier: Apache-2.0
"""LUTs of an array: an estimate from synthesised PEs, for comparing arrays.

The numbers come from yosys' ``synth_ecp5`` for a single PE, as ``benchmarks/gateware.py`` measures
it, with one field changed at a time. Arrays that differ in several fields are estimated by adding
the effects: csr, codebook and huffman together with 64-bit words and 48-bit accumulators are
estimated at 3,345, and synthesis gives 4,011 (the estimate is 17 % less). Not modelled: activations
of 8 bits (8 % more), runs of 8 bits (2 % less) and codes of 8 bits (13 % less, since the codebook
moves to block RAM); routing, the clock, and other FPGA families.
"""
from ...core.array.config import ArrayConfig

__all__ = ["pe_luts", "array_luts"]

#: A PE with 16-bit activations and weights, 32-bit words, 36-bit accumulators in two banks, queues
#: of 8, 24-bit counters, and the encoding codebook.
_BASE = 1370
# One bit more, measured with 48-bit accumulators, 8-bit weights and 32-bit counters.
_ACC_BIT = 96 / 12
_WEIGHT_BIT = 83 / 8
_COUNTER_BIT = 66 / 8
#: One more entry of a queue, measured with 2, 64 and 256 entries.
_QUEUE_ENTRY = (2417 - 1357) / 254
# Differences of single fields.
_ONE_BANK = -199
_LONG_WORD = 42
_CSR = 4
_HUFFMAN = 1833
_CONV = 397
#: Sequencer, scan, lnzd, broadcast, load port and link. Measured on the ULX3S 85F with
#: convolutions, where they and 16 PEs take 26,308 (``openeie build -b ulx3s-85f-conv``).
_AROUND = 1220


def pe_luts(config: ArrayConfig) -> float:
    """Estimated LUT4 of one PE, including carry chains and memories in LUTs."""
    luts = _BASE + _QUEUE_ENTRY * (config.queue_depth - 8)
    luts += _ACC_BIT * (config.acc_width - 36) + _COUNTER_BIT * (config.counter_width - 24)
    luts += _WEIGHT_BIT * (config.weight_width - 16)
    luts += _LONG_WORD * (config.word_width == 64)
    luts += _ONE_BANK * (config.acc_banks == 1)
    luts += _HUFFMAN * config.huffman
    luts += _CONV * config.conv
    luts += _CSR * ("csr" in config.encodings and len(config.encodings) > 1)
    return luts


def array_luts(config: ArrayConfig) -> int:
    """Estimated LUT4 of the whole array: all PEs and the blocks around them."""
    return round(config.pes * pe_luts(config) + _AROUND)
