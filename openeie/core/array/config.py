# SPDX-License-Identifier: Apache-2.0
"""The array's parameters, and every width that follows from them."""
import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ConfigError, did_you_mean
from .limits import CLUSTERS, ENCODINGS, NAMES, OPERATIONS, check

__all__ = ["ArrayConfig", "CLUSTERS", "ENCODINGS", "OPERATIONS", "PRESETS", "check_keys",
           "half_rows", "preset", "preset_name"]


def _bits_for(value: int) -> int:
    """Bits that hold ``0 .. value``; at least one, so that every signal exists."""
    return max(1, value.bit_length())


@dataclass(frozen=True, kw_only=True)
class ArrayConfig:
    """One array, described completely.

    Depths are per PE. A configuration is checked once, here; everything downstream (encoder,
    gateware, simulators) reads widths from the properties below and computes none of its own.

    Parameters
    ----------
    pes : processing elements; PE k owns rows and activations ``i`` with ``i mod pes == k``.
    clusters : 1, 2, 4 or 8 groups of PEs that can take a broadcast of their own, each for another
        output position.
    queue_depth : usable entries of each PE's activation queue (EIE section IV: 8).
    act_width : bits of a signed activation, 8 or 16.
    weight_width : bits of a signed weight, in a codebook or in place.
    acc_width : bits of an accumulator; the compiler proves that none overflows.
    code_width : bits of a codebook index.
    run_width : bits of a run (zeros before an entry).
    word_width : bits of an entry-memory word: 16, 32 or 64.
    entry_depth : words of entry memory, an even number (two banks).
    pointer_depth : column pointers, an even number (two banks).
    act_depth : activations in each of the two activation memories.
    acc_depth : accumulators in each bank = most rows of one tile.
    acc_banks : 2, so that a vector starts while the last is written back, or 1.
    channel_depth : rows of all layers together (bias, multiplier and shift of each).
    counter_width : bits of a performance counter; no layer may run longer than it counts.
    max_layers : descriptors, one a tile, and as many codebooks and Huffman tables, up to 256.
    max_code_length : longest Huffman codeword, bits.
    encodings : weight encodings built in, a subset of ``("csr", "codebook", "huffman")``.
    operations : layers that can be run: ``linear``, and ``conv``, and ``pool``, which stands for
        all that work on every channel by itself: pools, depthwise convolutions, additions.

    Raises
    ------
    TypeError : a field of the wrong kind.
    ConfigError : a value out of range, or values that cannot work together.
    """
    pes: int = 4
    clusters: int = 1
    queue_depth: int = 8
    act_width: int = 16
    weight_width: int = 16
    acc_width: int = 40
    code_width: int = 4
    run_width: int = 4
    word_width: int = 64
    entry_depth: int = 1024
    pointer_depth: int = 2048
    act_depth: int = 256
    acc_depth: int = 128
    acc_banks: int = 2
    channel_depth: int = 256
    counter_width: int = 32
    max_layers: int = 8
    max_code_length: int = 12
    encodings: tuple[str, ...] = ENCODINGS
    operations: tuple[str, ...] = ("linear",)

    def __post_init__(self) -> None:
        check(self)

    # Storage -------------------------------------------------------------------------------
    @property
    def entry_widths(self) -> dict[str, int]:
        """Bits of one entry in the fixed-length encodings."""
        return {"csr": self.run_width + self.weight_width,
                "codebook": self.run_width + self.code_width}

    def slots(self, encoding: str) -> int:
        """Entries per word in a fixed-length encoding; entries never straddle words."""
        return self.word_width // self.entry_widths[encoding]

    @property
    def huffman(self) -> bool:
        """Whether the Huffman decoder is built in."""
        return "huffman" in self.encodings

    @property
    def conv(self) -> bool:
        """Whether the address generator for convolutions is built in."""
        return "conv" in self.operations

    @property
    def pool(self) -> bool:
        """Whether layers that work on every channel by itself can be run."""
        return "pool" in self.operations

    @property
    def cluster_pes(self) -> int:
        """PEs of a cluster."""
        return self.pes // self.clusters

    @property
    def cluster_width(self) -> int:
        """Bits of a cluster's number; none where there is but one."""
        return (self.clusters - 1).bit_length()

    @property
    def place_width(self) -> int:
        """Bits of the place in a word: a slot number, or with ``huffman`` a bit number."""
        if self.huffman:
            return (self.word_width - 1).bit_length()
        return _bits_for(max(map(self.slots, self.encodings)) - 1)

    @property
    def entry_address_width(self) -> int:
        """Bits of a word address; one past the end is a valid end of column."""
        return _bits_for(self.entry_depth)

    @property
    def pointer_width(self) -> int:
        """Bits of a column pointer: word address, then place. EIE's 16 are too few."""
        return self.entry_address_width + self.place_width

    @property
    def max_run(self) -> int:
        """The longest run; with a zero weight it marks a filler."""
        return (1 << self.run_width) - 1

    # Addresses -----------------------------------------------------------------------------
    @property
    def pe_width(self) -> int:
        """Bits of a PE number."""
        return _bits_for(self.pes - 1)

    @property
    def column_address_width(self) -> int:
        """Bits of an address into the pointer memory."""
        return _bits_for(self.pointer_depth - 1)

    @property
    def act_address_width(self) -> int:
        """Bits of an address into an activation memory."""
        return _bits_for(self.act_depth - 1)

    @property
    def row_width(self) -> int:
        """Bits of a row number inside a PE (an accumulator's address)."""
        return _bits_for(self.acc_depth - 1)

    @property
    def channel_address_width(self) -> int:
        """Bits of an address into the channel-parameter memory."""
        return _bits_for(self.channel_depth - 1)

    @property
    def layer_width(self) -> int:
        """Bits of a layer number."""
        return _bits_for(self.max_layers - 1)

    # Identity ------------------------------------------------------------------------------
    def to_dict(self) -> dict:
        """Plain values, as written beside every result; ``from_dict`` reads them back."""
        return dataclasses.asdict(self) | {name: list(getattr(self, name)) for name in NAMES}

    @classmethod
    def from_dict(cls, fields: dict) -> "ArrayConfig":
        """Rebuild a configuration; unknown keys are refused."""
        check_keys(fields)
        fields = dict(fields)
        for name in NAMES:
            if isinstance(fields.get(name), list):
                fields[name] = tuple(fields[name])
        return cls(**fields)

    def replace(self, **changes) -> "ArrayConfig":
        """A copy with some fields changed, checked anew."""
        return dataclasses.replace(self, **changes)

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration, hex; names caches and identifies an array to its host."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


def check_keys(keys: Iterable[str]) -> None:
    """Refuse a key that is no field of :class:`ArrayConfig`, with those that are near it.

    Raises
    ------
    ConfigError
    """
    known = sorted(field.name for field in dataclasses.fields(ArrayConfig))
    unknown = sorted(set(keys) - set(known))
    if unknown:
        raise ConfigError(f"unknown configuration key {unknown[0]!r}; "
                          f"{did_you_mean(unknown[0], known)}the keys are {', '.join(known)}")


#: TINY is for tests, so that every memory can be filled; EIE16 has room for LeNet-300-100.
PRESETS = {
    "TINY": ArrayConfig(pes=4, queue_depth=4, entry_depth=64, pointer_depth=64, act_depth=16,
                        acc_depth=16, channel_depth=32, max_layers=4),
    "EIE16": ArrayConfig(pes=16, entry_depth=1024, pointer_depth=2048, act_depth=64,
                         acc_depth=64, channel_depth=128),
    # The paper's array (EIE, section V and Table II), with the memories its own layers need.
    "EIE64": ArrayConfig(pes=64, acc_width=48, entry_depth=16384, pointer_depth=32768,
                         act_depth=1024, acc_depth=256, channel_depth=1024),
    "EIE256": ArrayConfig(pes=256, acc_width=48, entry_depth=16384, pointer_depth=32768,
                          act_depth=256, acc_depth=64, channel_depth=256),
} | {
    # Arrays to simulate whole networks on: SqueezeNet's maps fit their memories.
    f"NET{pes}": ArrayConfig(pes=pes, code_width=8, acc_width=48, entry_depth=1 << 15,
                             pointer_depth=1 << 15, act_depth=1 << 16, acc_depth=1024,
                             channel_depth=1 << 13, max_layers=64, operations=OPERATIONS,
                             clusters=clusters)
    for pes, clusters in ((16, 1), (64, 4))
}


def preset(name: str) -> ArrayConfig:
    """The named preset; an unknown name is refused with the list of names."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ConfigError(f"unknown preset {name!r}; {did_you_mean(name, PRESETS)}the presets "
                          f"are {', '.join(PRESETS)}") from None


def half_rows(config: ArrayConfig) -> int:
    """Where memory B begins."""
    return 1 << config.act_address_width


def preset_name(config: ArrayConfig) -> str:
    """The preset that a configuration equals, ``"EIE64"``; ``"64 PEs"`` if it equals none."""
    names = [name for name, known in PRESETS.items() if known == config]
    return names[0] if names else f"{config.pes} PE{'s' * (config.pes > 1)}"
