# SPDX-License-Identifier: Apache-2.0
"""The part of a layer's outputs that one tile computes."""
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["Part", "joined"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A box of the outputs that a layer writes in one launch of the program.

    Attributes
    ----------
    layer : number of the network's layer.
    number, count : which of the layer's tiles this is, counted from 0, and how many there are.
    shape : size of the whole: inputs of one launch, lines, width, channels.
    vectors, lines, channels : the inputs, lines and channels computed here.
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
        """Whether this is the layer's only tile."""
        return self.count == 1

    @property
    def size(self) -> int:
        """Activations that it has for each of its inputs."""
        return len(self.lines) * self.shape[2] * len(self.channels)

    def label(self, name: str) -> str:
        """The tile's name: the layer's ``name``, with the tile's number if there are several."""
        return name if self.is_untiled else f"{name} [{self.number + 1}/{self.count}]"

    def bare(self, label: str) -> str:
        """The layer's name in a tile's name; the inverse of :meth:`label`."""
        return label.removesuffix(self.label(""))

    def input(self, row: int) -> int:
        """Number in the batch of the input that a row of this part's outputs belongs to."""
        launch, vector = divmod(row, len(self.vectors))
        return launch * self.shape[0] + self.vectors[vector]

    def cut(self, outputs: np.ndarray) -> np.ndarray:
        """This part, [launches x vectors, size], of a layer's outputs [batch, m].

        Unless the part has all inputs of a launch, the batch must consist of whole launches.
        """
        vectors = self.shape[0] if len(self.vectors) < self.shape[0] else 1
        maps = outputs.reshape(-1, vectors, *self.shape[1:])
        return maps[self._index(vectors)].reshape(-1, self.size)

    def put(self, outputs: np.ndarray, whole: np.ndarray) -> None:
        """Write this part's outputs into the layer's, ``whole`` [launches, *shape]."""
        whole[self._index(self.shape[0])] = outputs.reshape(
            -1, len(self.vectors), len(self.lines), self.shape[2], len(self.channels))

    def _index(self, vectors: int) -> tuple[slice, ...]:
        """Index of this part in an array [launches, vectors, lines, width, channels]."""
        which = self.vectors if vectors > 1 else range(1)
        return (slice(None), slice(which.start, which.stop),
                slice(self.lines.start, self.lines.stop), slice(None),
                slice(self.channels.start, self.channels.stop))


def joined(parts: Iterable[tuple[Part, np.ndarray]]) -> np.ndarray:
    """A layer's outputs int64 [batch, m], put together from those of its tiles. Outputs that no
    tile computed, because nothing reads them, are 0."""
    parts = list(parts)
    first, outputs = parts[0]
    launches = len(outputs) // len(first.vectors)
    whole = np.zeros((launches, *first.shape), np.int64)
    for part, outputs in parts:
        part.put(outputs, whole)
    return whole.reshape(launches * first.shape[0], -1)
