# SPDX-License-Identifier: Apache-2.0
"""Network -> program, with what nobody told: the order of the channels, and the run width of an
array that was given by a preset's name."""
from dataclasses import replace
from typing import Any

from ..array.config import ArrayConfig
from ..defaults import AskedArray
from ..errors import CapacityError, EncodingError
from ..network.graph import Network, check_runnable
from .balance import balanced_orders, can_be_balanced, reordered
from .cluster import Group
from .compile import compile_groups
from .program import Choices, Program
from .run_width import cycles_by_width, worthwhile

__all__ = ["compile_for"]


def compile_for(network: Network, config: str | ArrayConfig | AskedArray, *, vectors: int = 1,
                encoding: str | None = None, clustered: bool | None = None,
                balance: bool | None = None) -> Program:
    """Compile ``network`` for an array.

    Parameters
    ----------
    config : a preset's name, of which the compiler may widen the run where that saves cycles in the
        same memories (``Program.config`` is the array then); or an :class:`ArrayConfig`, which is
        taken as it is.
    vectors : inputs of one launch of the program, 1 .. 65535. While one vector is written back, the
        next is already accumulated.
    encoding : the encoding of all layers, instead of each layer's own.
    clustered : whether the clusters share the positions of every layer that has enough of them.
        None: only of the layers where this saves cycles and the memories have room for the copies.
    balance : order the inner layers' channels so that the PEs have similar loads. The network's
        outputs stay the same; those of its inner layers come in the new order,
        ``Program.choices.orders``. None: unless the network then does not fit.

    Raises
    ------
    CapacityError : the network does not fit; the message lists everything that is too small, and
        the smallest sufficient configuration.
    ConfigError : no preset of this name.
    InputError : a bad argument, an encoding that a layer or the configuration does not allow, or a
        layer that no array runs.
    """
    check_runnable(network)
    asked = AskedArray.of(config)
    options: dict[str, Any] = {"vectors": vectors, "encoding": encoding, "clustered": clustered}
    program, groups = _ordered(network, asked.config, balance, options)
    if asked.free_run_width:
        return _widened(program, groups, options)
    return program


def _ordered(network: Network, config: ArrayConfig, balance: bool | None, options: dict[str, Any]
             ) -> tuple[Program, list[Group]]:
    """The program of the balanced network, or of the network as it is, and its matrices."""
    because = "" if balance is False else _cannot_be_balanced(network)
    if balance is False or balance is None and because:
        return _compiled(network, config, Choices(unbalanced_because=because), options)
    clusters = 1 if options["clustered"] is False else config.clusters
    orders = balanced_orders(network, config.pes, clusters=clusters)
    try:
        return _compiled(reordered(network, orders), config, Choices(orders=orders), options)
    except CapacityError:
        if balance:
            raise
        # Other fillers may need more words. What the network itself lacks is the better message.
        choices = Choices(unbalanced_because="the balanced network does not fit")
        return _compiled(network, config, choices, options)


def _cannot_be_balanced(network: Network) -> str:
    """Why the network's channels cannot be reordered; empty if they can."""
    if can_be_balanced(network):
        return ""
    return "it has layers of a kind that cannot be reordered"


def _compiled(network: Network, config: ArrayConfig, choices: Choices, options: dict[str, Any]
              ) -> tuple[Program, list[Group]]:
    program, groups = compile_groups(network, config, **options)
    return replace(program, choices=choices), groups


def _widened(program: Program, groups: list[Group], options: dict[str, Any]) -> Program:
    """The program with the run width that takes fewest cycles, as far as it fits."""
    own = program.config
    cycles = cycles_by_width(program.network, groups, own)
    for width in worthwhile(cycles, own.run_width):
        choices = replace(program.choices, run_widths=cycles)
        if width == own.run_width:
            break
        try:
            wider, _ = compile_groups(program.network, own.replace(run_width=width), **options)
        except (CapacityError, EncodingError):
            continue                    # in huffman only the codewords tell
        return replace(wider, choices=choices)
    return replace(program, choices=choices)
