# SPDX-License-Identifier: Apache-2.0
"""The array's parameters, and every width that follows from them."""
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, did_you_mean
from .limits import CLUSTERS, ENCODINGS, NAMES, OPERATIONS, check_fields, choice, names, ranged

__all__ = ["ArrayConfig", "CLUSTERS", "ENCODINGS", "OPERATIONS", "PRESETS", "check_keys",
           "half_rows", "preset"]



def _bits_for(value: int) -> int:
    """Bits of an unsigned number that holds ``0 .. value``; at least 1, so no signal is empty."""
    return max(1, value.bit_length())


@dataclass(frozen=True, kw_only=True)
class ArrayConfig:
    """One array, described completely.

    Depths are per PE. A configuration is checked once, here; everything downstream (encoder,
    gateware, simulators) reads widths from the properties below and computes none of its own.

    Parameters
    ----------
    pes : processing elements. PE k owns the rows and activations ``i`` with ``i mod pes == k``.
    clusters : 1, 2, 4 or 8 groups of PEs. Each group can receive its own broadcast and so work on
        a different output position.
    queue_depth : entries that each PE's activation queue can hold (EIE, section IV: 8).
    act_width : bits of a signed activation, 8 or 16.
    weight_width : bits of a signed weight, in the codebook or stored literally.
    acc_width : bits of a signed accumulator; the compiler proves that none overflows.
    code_width : bits of a codebook index.
    run_width : bits of a run (number of zeros before an entry).
    word_width : bits of an entry-memory word: 16, 32 or 64.
    entry_depth : words of entry memory, an even number (two banks).
    pointer_depth : column pointers, an even number (two banks).
    act_depth : activations in each of the two activation memories.
    acc_depth : accumulators in each bank, which is the largest number of rows of one tile.
    acc_banks : 2, so that the next vector is accumulated while the last one is written back, or 1.
    channel_depth : rows of all layers together; each has a bias, a multiplier and a shift.
    counter_width : bits of a performance counter. No layer may run for more cycles than it counts.
    max_layers : descriptors, one per tile. Also the number of codebooks and of Huffman tables, of
        which there are at most 256.
    max_code_length : bits of the longest Huffman codeword.
    encodings : weight encodings that are built in, a subset of ``("csr", "codebook", "huffman")``.
    operations : kinds of layers that can run: ``linear`` (always), ``conv``, and ``pool``, which
        means all channel-wise layers: pools, depthwise convolutions and additions.

    Raises
    ------
    TypeError : a field of the wrong type.
    ConfigError : a value out of range, or values that cannot work together.
    """
    pes: int = ranged(4, 1, 1024)
    clusters: int = choice(1, CLUSTERS)
    queue_depth: int = ranged(8, 1, 256)
    act_width: int = choice(16, (8, 16))
    weight_width: int = ranged(16, 4, 16)
    acc_width: int = ranged(40, 16, 48)
    code_width: int = ranged(4, 1, 8)
    run_width: int = ranged(4, 1, 8)
    word_width: int = choice(64, (16, 32, 64))
    entry_depth: int = ranged(1024, 4, 1 << 20)
    pointer_depth: int = ranged(2048, 4, 1 << 20)
    act_depth: int = ranged(256, 2, 1 << 20)
    acc_depth: int = ranged(128, 2, 1 << 14)
    acc_banks: int = choice(2, (1, 2))
    channel_depth: int = ranged(256, 2, 1 << 16)
    counter_width: int = ranged(32, 16, 32)
    max_layers: int = ranged(8, 1, 1024)
    max_code_length: int = ranged(12, 1, 15)            # at most huffman.MAX_LENGTH
    encodings: tuple[str, ...] = names(ENCODINGS, ENCODINGS)
    operations: tuple[str, ...] = names(("linear",), OPERATIONS)

    def __post_init__(self) -> None:
        check_fields(dataclasses.fields(self), vars(self))
        _check_operations(self)
        _check_memories(self)
        _check_entries(self)

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
        """Whether channel-wise layers (pools, depthwise convolutions, additions) can run."""
        return "pool" in self.operations

    @property
    def cluster_pes(self) -> int:
        """PEs of a cluster."""
        return self.pes // self.clusters

    @property
    def cluster_width(self) -> int:
        """Bits of a cluster's number; 0 if there is only one cluster."""
        return (self.clusters - 1).bit_length()

    @property
    def place_width(self) -> int:
        """Bits of a position inside a word: a slot number, or with ``huffman`` a bit number."""
        if self.huffman:
            return (self.word_width - 1).bit_length()
        most_slots = max(map(self.slots, self.encodings))
        return _bits_for(most_slots - 1)

    @property
    def entry_address_width(self) -> int:
        """Bits of a word address. A column may end one word past the last."""
        return _bits_for(self.entry_depth)

    @property
    def pointer_width(self) -> int:
        """Bits of a column pointer: word address, then position in the word. EIE's 16 bits do not
        reach the end of these memories."""
        return self.entry_address_width + self.place_width

    @property
    def max_run(self) -> int:
        """The longest run. Together with weight 0 it marks a filler."""
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
    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, stored with every result; :meth:`from_dict` reads them back."""
        return dataclasses.asdict(self) | {name: list(getattr(self, name)) for name in NAMES}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "ArrayConfig":
        """Rebuild a configuration from :meth:`to_dict`'s values.

        Raises
        ------
        TypeError : a field of the wrong type.
        ConfigError : an unknown key, or values that are not allowed.
        """
        check_keys(fields)
        values = dict(fields)
        for name in NAMES:
            if isinstance(values.get(name), list):
                values[name] = tuple(values[name])
        return cls(**values)

    def replace(self, **changes: Any) -> "ArrayConfig":
        """A copy with some fields changed; it is checked like any new configuration."""
        return dataclasses.replace(self, **changes)

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration, hex: names caches, and tells a host which array it has."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _check_operations(config: ArrayConfig) -> None:
    """Operations that need other operations."""
    if "linear" not in config.operations:
        raise ConfigError(f"operations must include linear, not {config.operations!r}")
    if config.clusters > 1 and not config.conv:
        raise ConfigError(f"operations with clusters must include conv, not {config.operations!r}")
    if config.pool and not config.conv:
        raise ConfigError(f"operations with pool must include conv, not {config.operations!r}")


def _check_memories(config: ArrayConfig) -> None:
    """Depths from which an address can be formed."""
    for name in ("entry_depth", "pointer_depth"):
        if getattr(config, name) % 2:
            raise ConfigError(f"{name} must be even (two banks), not {getattr(config, name)!r}")
    if config.conv and config.act_depth & (config.act_depth - 1):
        raise ConfigError(f"act_depth must be a power of two with conv, where the two "
                          f"activation memories are one, not {config.act_depth!r}")
    if config.pes % config.clusters:
        raise ConfigError(f"clusters must divide the {config.pes} PEs, not {config.clusters!r}")


def _check_entries(config: ArrayConfig) -> None:
    """Widths that hold a product, an entry and two codewords."""
    if config.acc_width < config.act_width + config.weight_width:
        raise ConfigError(f"acc_width must be at least act_width + weight_width = "
                          f"{config.act_width + config.weight_width}, not {config.acc_width!r}")
    for name, width in config.entry_widths.items():
        if name in config.encodings and width > config.word_width:
            raise ConfigError(f"word_width must hold an entry, in {name} {width} bits, "
                              f"not {config.word_width!r}")
    if config.huffman:
        _check_huffman(config)


def _check_huffman(config: ArrayConfig) -> None:
    """Widths that the Huffman decoder needs."""
    if config.word_width < 32:
        raise ConfigError(f"word_width must be 32 or 64 for huffman, which reads two "
                          f"codewords at once, not {config.word_width!r}")
    widest = max(config.code_width, config.run_width)
    if config.max_code_length < widest:
        raise ConfigError(f"max_code_length must be at least {widest}, the wider of code "
                          f"and run, so that every symbol gets a codeword, "
                          f"not {config.max_code_length!r}")


def check_keys(keys: Iterable[str]) -> None:
    """Refuse a key that is not a field of :class:`ArrayConfig`; the message proposes similar ones.

    Raises
    ------
    ConfigError : names the first unknown key.
    """
    known = sorted(field.name for field in dataclasses.fields(ArrayConfig))
    unknown = sorted(set(keys) - set(known))
    if unknown:
        raise ConfigError(f"unknown configuration key {unknown[0]!r}; "
                          f"{did_you_mean(unknown[0], known)}the keys are {', '.join(known)}")


#: Ready-made configurations by name. TINY is for tests: its memories are small enough to be filled.
#: EIE16 has room for LeNet-300-100. Queues of 16, twice EIE's, hide most of what is uneven within a
#: column (``docs/sweep.md``).
PRESETS = {
    "TINY": ArrayConfig(pes=4, queue_depth=4, entry_depth=64, pointer_depth=64, act_depth=16,
                        acc_depth=16, channel_depth=32, max_layers=4),
    "EIE16": ArrayConfig(pes=16, queue_depth=16, entry_depth=1024, pointer_depth=2048,
                         act_depth=64, acc_depth=64, channel_depth=128),
    # As many PEs as the paper's array (EIE, section V and Table II), with the memories that its
    # layers need. The paper's queues of 8 are in ``openeie.sim.study.eie.paper_array``.
    "EIE64": ArrayConfig(pes=64, queue_depth=16, acc_width=48, entry_depth=16384,
                         pointer_depth=32768, act_depth=1024, acc_depth=256, channel_depth=1024),
    "EIE256": ArrayConfig(pes=256, queue_depth=16, acc_width=48, entry_depth=16384,
                          pointer_depth=32768, act_depth=256, acc_depth=64, channel_depth=256),
} | {
    # For simulating whole networks: SqueezeNet's feature maps fit these memories.
    f"NET{pes}": ArrayConfig(pes=pes, clusters=4, queue_depth=16, code_width=8, acc_width=48,
                             entry_depth=1 << 15, pointer_depth=1 << 15, act_depth=1 << 16,
                             acc_depth=1024, channel_depth=1 << 13, max_layers=64,
                             operations=OPERATIONS)
    for pes in (16, 64)
}


def preset(name: str) -> ArrayConfig:
    """The preset of this name.

    Raises
    ------
    ConfigError : an unknown name; the message lists the names.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise ConfigError(f"unknown preset {name!r}; {did_you_mean(name, PRESETS)}the presets "
                          f"are {', '.join(PRESETS)}") from None


def half_rows(config: ArrayConfig) -> int:
    """Row at which activation memory B begins; memory A begins at row 0."""
    return 1 << config.act_address_width
