# SPDX-License-Identifier: Apache-2.0
"""What a configuration may be: ranges, names, and values that cannot work together."""
import dataclasses
from typing import TYPE_CHECKING

from ..errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from .config import ArrayConfig

__all__ = ["CLUSTERS", "ENCODINGS", "NAMES", "OPERATIONS", "check"]

ENCODINGS = ("csr", "codebook", "huffman")
#: What layers an array can run.
OPERATIONS = ("linear", "conv", "pool")

#: How many clusters an array can have: they take turns within the cycles of a row's writeback.
CLUSTERS = (1, 2, 4, 8)

_RANGES = {
    "pes":             (1, 1024),
    "queue_depth":     (1, 256),
    "weight_width":    (4, 16),
    "acc_width":       (16, 48),
    "code_width":      (1, 8),
    "run_width":       (1, 8),
    "entry_depth":     (4, 1 << 20),
    "pointer_depth":   (4, 1 << 20),
    "act_depth":       (2, 1 << 20),
    "acc_depth":       (2, 1 << 14),
    "channel_depth":   (2, 1 << 16),
    "counter_width":   (16, 32),
    "max_layers":      (1, 1024),
    "max_code_length": (1, 15),         # huffman.MAX_LENGTH
}


#: Fields that are tuples of names, and the names.
NAMES = {"encodings": ENCODINGS, "operations": OPERATIONS}


def check(config: "ArrayConfig") -> None:
    """Refuse a configuration that cannot work.

    Raises
    ------
    TypeError : a field of the wrong kind.
    ConfigError : a value out of range, or values that cannot work together.
    """
    for name in (field.name for field in dataclasses.fields(config)):
        value = getattr(config, name)
        if name not in NAMES and (not isinstance(value, int) or isinstance(value, bool)):
            raise TypeError(f"{name} must be an integer, not {value!r}")
    for name, (low, high) in _RANGES.items():
        if not low <= getattr(config, name) <= high:
            raise ConfigError(f"{name} must be in {low} .. {high}, "
                              f"not {getattr(config, name)!r}")
    for name, choices in (("act_width", (8, 16)), ("word_width", (16, 32, 64)),
                          ("acc_banks", (1, 2)), ("clusters", CLUSTERS)):
        if getattr(config, name) not in choices:
            raise ConfigError(f"{name} must be {', '.join(map(str, choices[:-1]))} or "
                              f"{choices[-1]}, not {getattr(config, name)!r}")
    _check_names(config)
    _check_memories(config)
    _check_entries(config)


def _check_names(config: "ArrayConfig") -> None:
    """Encodings and operations."""
    for name, known in NAMES.items():
        chosen = getattr(config, name)
        if not isinstance(chosen, tuple):
            raise TypeError(f"{name} must be a tuple of names, not {chosen!r}")
        if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= set(known):
            wrong = next((one for one in chosen if one not in known), "")
            raise ConfigError(f"{name} must be one or more of {', '.join(known)}, each once, not "
                              f"{chosen!r}{did_you_mean(wrong, known, '; {}')}")
    if "linear" not in config.operations:
        raise ConfigError(f"operations must have linear, not {config.operations!r}")
    if config.clusters > 1 and not config.conv:
        raise ConfigError(f"operations with clusters must have conv, not {config.operations!r}")
    if config.pool and not config.conv:
        raise ConfigError(f"operations with pool must have conv, not {config.operations!r}")


def _check_memories(config: "ArrayConfig") -> None:
    """Depths that an address must be made of."""
    for name in ("entry_depth", "pointer_depth"):
        if getattr(config, name) % 2:
            raise ConfigError(f"{name} must be even (two banks), not {getattr(config, name)!r}")
    if config.conv and config.act_depth & (config.act_depth - 1):
        raise ConfigError(f"act_depth must be a power of two with conv, where the two "
                          f"activation memories are one, not {config.act_depth!r}")
    if config.pes % config.clusters:
        raise ConfigError(f"clusters must divide the {config.pes} PEs, not {config.clusters!r}")


def _check_entries(config: "ArrayConfig") -> None:
    """Widths that hold an entry, a product, a codeword."""
    if config.acc_width < config.act_width + config.weight_width:
        raise ConfigError(f"acc_width must be at least act_width + weight_width = "
                          f"{config.act_width + config.weight_width}, not {config.acc_width!r}")
    for name, width in config.entry_widths.items():
        if name in config.encodings and width > config.word_width:
            raise ConfigError(f"word_width must hold an entry, in {name} {width} bits, "
                              f"not {config.word_width!r}")
    if "huffman" in config.encodings:
        if config.word_width < 32:
            raise ConfigError(f"word_width must be 32 or 64 for huffman, which reads two "
                              f"codewords at once, not {config.word_width!r}")
        widest = max(config.code_width, config.run_width)
        if config.max_code_length < widest:
            raise ConfigError(f"max_code_length must be at least {widest}, the wider of code "
                              f"and run, so that every symbol gets a codeword, "
                              f"not {config.max_code_length!r}")
