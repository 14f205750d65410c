# SPDX-License-Identifier: Apache-2.0
"""Which of a layer's outputs one tile computes."""
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["Part", "joined"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A box of what a layer writes in one start.

    Attributes
    ----------
    layer : number of the network's layer.
    number, count : which of the layer's tiles this is, from 0 on, and how many there are.
    shape : inputs of a start, lines, width and channels of the whole.
    vectors, lines, channels : those computed here.
    """
    layer: int
    number: int = 0
    count: int = 1
    shape: tuple[int, int, int, int]
    vectors: range
    lines: range
    channels: range

    @property
    def is_untiled(self) -> bool:
        """The layer is not tiled."""
        return self.count == 1

    @property
    def size(self) -> int:
        """Activations for each of its inputs."""
        return len(self.lines) * self.shape[2] * len(self.channels)

    def label(self, name: str) -> str:
        """The tile's name: its layer's, and its number if there are several."""
        return name if self.is_untiled else f"{name} [{self.number + 1}/{self.count}]"

    def bare(self, label: str) -> str:
        """The layer's name, of :meth:`label`."""
        return label.removesuffix(self.label(""))

    def input(self, row: int) -> int:
        """Which input of a batch stands in a row of this part's outputs."""
        start, vector = divmod(row, len(self.vectors))
        return start * self.shape[0] + self.vectors[vector]

    def cut(self, outputs: np.ndarray) -> np.ndarray:
        """This part of a layer's outputs [batch, m]: [starts x vectors, size]; the batch must
        be whole starts unless the part has all vectors."""
        vectors = self.shape[0] if len(self.vectors) < self.shape[0] else 1
        maps = outputs.reshape(-1, vectors, *self.shape[1:])
        return maps[self._index(vectors)].reshape(-1, self.size)

    def put(self, outputs: np.ndarray, whole: np.ndarray) -> None:
        """Write this part's outputs into ``whole`` [starts, *shape]."""
        whole[self._index(self.shape[0])] = outputs.reshape(
            -1, len(self.vectors), len(self.lines), self.shape[2], len(self.channels))

    def _index(self, vectors: int) -> tuple[slice, ...]:
        which = self.vectors if vectors > 1 else range(1)
        return (slice(None), *(slice(one.start, one.stop) for one in (which, self.lines)),
                slice(None), slice(self.channels.start, self.channels.stop))


def joined(parts: Iterable[tuple[Part, np.ndarray]]) -> np.ndarray:
    """A layer's outputs int64 [batch, m] from those of its tiles; what none computed, because
    nothing reads it, is 0."""
    parts = list(parts)
    part, outputs = parts[0]
    starts = len(outputs) // len(part.vectors)
    whole = np.zeros((starts, *part.shape), np.int64)
    for part, outputs in parts:
        part.put(outputs, whole)
    return whole.reshape(starts * part.shape[0], -1)
