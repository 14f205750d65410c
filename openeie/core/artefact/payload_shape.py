# SPDX-License-Identifier: Apache-2.0
"""The sizes that must be known to read one layer's payload."""
from dataclasses import dataclass

__all__ = ["PayloadShape", "WEIGHT_BITS", "code_width"]

#: Bits of a literal weight, one that is stored without a codebook.
WEIGHT_BITS = 16


def code_width(codebook: int) -> int:
    """Bits of a code before Huffman coding, for ``codebook`` slots; without a codebook (0 slots),
    those of a literal weight."""
    if not codebook:
        return WEIGHT_BITS
    return max(1, (codebook - 1).bit_length())


@dataclass(frozen=True, kw_only=True)
class PayloadShape:
    """What must be known to read a payload; it is stored in the artefact's header.

    Attributes
    ----------
    entries : number of entries, fillers included.
    run_width : bits of a run before Huffman coding.
    codebook : slots of the codebook; 0 for literal weights.
    huffman : whether runs and codes are Huffman coded.
    run_bits : bits of all runs in the stream together.
    code_bits : bits of all codes (or literal weights) in the stream together.
    bias_bytes : bytes of each bias.
    uniform : whether all channels have the same multiplier and shift, which are stored once.
    """
    entries: int
    run_width: int
    codebook: int
    huffman: bool
    run_bits: int
    code_bits: int
    bias_bytes: int
    uniform: bool

    @property
    def code_width(self) -> int:
        """Bits of a code (or literal weight) before Huffman coding."""
        return code_width(self.codebook)

    def sections(self, outputs: int) -> dict[str, int]:
        """Bytes of each part of the payload of a layer with ``outputs`` rows, in order."""
        channels = 1 if self.uniform else outputs
        run_lengths = 0
        code_lengths = 0
        if self.huffman:                # two lengths per byte
            run_lengths = -(-(1 << self.run_width) // 2)
            code_lengths = -(-self.codebook // 2)
        return {"entries": -(-(self.run_bits + self.code_bits) // 8),
                "codebook": 2 * self.codebook,
                "run_lengths": run_lengths, "code_lengths": code_lengths,
                "bias": self.bias_bytes * outputs, "multiplier": 2 * channels, "shift": channels}
