# SPDX-License-Identifier: Apache-2.0
"""Where the channels of a map lie in the array's rows of activations."""
from dataclasses import dataclass

import numpy as np

__all__ = ["MapLayout", "Placement"]


@dataclass(frozen=True, kw_only=True)
class MapLayout:
    """The arrangement of one map in rows of activations.

    A concatenation keeps its sources as parts, and each part begins a new row, so that
    concatenating moves no data.

    Attributes
    ----------
    pixels : of the map; a vector is a map of one pixel.
    parts : channels of each part.
    """
    pixels: int
    parts: tuple[int, ...]

    @property
    def channels(self) -> int:
        """Channels of a pixel."""
        return sum(self.parts)

    def rows(self, pes: int) -> int:
        """Rows that one pixel takes in an array of ``pes`` PEs."""
        return sum(-(-part // pes) for part in self.parts)

    def places(self, pes: int) -> np.ndarray:
        """Row x ``pes`` + PE of each channel of a pixel, int64 [channels]."""
        places = []
        first = 0
        for part in self.parts:
            places.append(first * pes + np.arange(part))
            first += -(-part // pes)
        return np.concatenate(places)

    def memory(self, x: np.ndarray, pes: int) -> np.ndarray:
        """Activations x [vectors, pixels x channels] as they lie in memory, int64
        [vectors, pixels, rows, PEs]."""
        rows = self.rows(pes)
        result = np.zeros((len(x), self.pixels, rows * pes), np.int64)
        result[..., self.places(pes)] = x.reshape(len(x), self.pixels, self.channels)
        return result.reshape(len(x), self.pixels, rows, pes)


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where one map lies. Rows count through memory A, then B, and are the same in every PE.

    Attributes
    ----------
    origin : first row of the first pixel of the first input.
    rows : rows of one pixel.
    stride : rows from a pixel to the next; more than ``rows`` if the map is part of a
        concatenation.
    """
    origin: int
    rows: int
    stride: int
