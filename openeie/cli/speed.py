# SPDX-License-Identifier: Apache-2.0
"""Latency and throughput: cycles of one input alone, and of one among many in a start."""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.compile.automatic import compile_for
from ..core.compile.program import Program
from ..core.network.graph import Network

if TYPE_CHECKING:
    from ..sim.fast.predict import Prediction, Present

__all__ = ["LaunchSpeed", "launch_speed"]


@dataclass(frozen=True, kw_only=True)
class LaunchSpeed:
    """How long one input takes.

    Attributes
    ----------
    vectors : inputs of one start.
    start_cycles : cycles of a start, the mean.
    latency : cycles from the start to the outputs of one input that has a start of its own.
    """
    vectors: int
    start_cycles: float
    latency: float

    @property
    def per_input(self) -> float:
        """Cycles of a start / its inputs: what an input costs where many wait."""
        return self.start_cycles / self.vectors

    def lines(self) -> list[str]:
        """Both as a sentence."""
        alone = f"latency {self.latency:,.1f} cycles, one input a start"
        if self.vectors == 1:
            return [f"{alone}; --vectors N gives the throughput of N inputs a start"]
        return [f"{alone}; throughput {self.per_input:,.1f} cycles an input, {self.vectors:,} a "
                f"start of {self.start_cycles:,.1f}"]

    def to_dict(self) -> dict[str, float]:
        """Plain values."""
        return {"vectors": self.vectors, "latency_cycles": self.latency,
                "cycles_an_input": self.per_input}


def launch_speed(network: Network, program: Program, start_cycles: float, present: "Present", *,
                 encoding: str | None) -> LaunchSpeed:
    """Latency and throughput of ``program``, which is of ``network`` in this encoding.

    The latency is that of the same array, by the recurrence, and so that of every engine.

    Parameters
    ----------
    start_cycles : mean of the program's launches.
    present : the activations of these launches.
    """
    latency = start_cycles
    if program.vectors > 1:
        alone = compile_for(network, program.config, encoding=encoding,
                            balance=program.choices.is_balanced)
        from ..sim.fast.predict import timed
        latency = total_cycles(timed(alone, present))
    return LaunchSpeed(vectors=program.vectors, start_cycles=start_cycles, latency=latency)


def total_cycles(tiles: "Sequence[Prediction]") -> float:
    """Cycles of a launch of all these tiles."""
    return sum(tile.cycles for tile in tiles)
