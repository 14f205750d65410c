# SPDX-License-Identifier: Apache-2.0
"""Geometry of a kernel that moves over a map: one vector of activations per output position."""
from dataclasses import dataclass

import numpy as np

from ..errors import InputError

__all__ = ["Window"]

_MAX_MAP = (1 << 16) - 1        # height and width of a map
_MAX_CHANNELS = 1 << 20
_MAX_KERNEL = 255               # kernel, stride, padding


@dataclass(frozen=True, kw_only=True)
class Window:
    """A kernel that moves over a map of ``height`` x ``width`` pixels of ``channels`` each.

    Maps are flattened in (row, column, channel) order. The elements of the kernel, which are the
    columns of a convolution's matrix, are in (kernel row, kernel column, channel) order.

    Attributes
    ----------
    height, width, channels : of the map that is read.
    kernel, stride : (vertical, horizontal), in pixels.
    pad : (top, left, bottom, right), pixels of zeros around the map.

    Raises
    ------
    InputError : a size out of range, or a kernel larger than the padded map.
    """
    height: int
    width: int
    channels: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        for name, values, low, high in (
                ("height, width", (self.height, self.width), 1, _MAX_MAP),
                ("channels", (self.channels,), 1, _MAX_CHANNELS),
                ("kernel", self.kernel, 1, _MAX_KERNEL), ("stride", self.stride, 1, _MAX_KERNEL),
                ("pad", self.pad, 0, _MAX_KERNEL)):
            if not all(isinstance(value, int) and low <= value <= high for value in values):
                raise InputError(f"{name} must be integers in {low} .. {high}, not "
                                 f"{', '.join(map(str, values))}")
        if self.out_height < 1 or self.out_width < 1:
            raise InputError(f"a kernel of {self.kernel[0]} x {self.kernel[1]} does not fit a map "
                             f"of {self.height} x {self.width} padded by {self.pad}")

    @property
    def out_height(self) -> int:
        """Output positions from top to bottom."""
        top, _, bottom, _ = self.pad
        return (self.height + top + bottom - self.kernel[0]) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        """Output positions from left to right."""
        _, left, _, right = self.pad
        return (self.width + left + right - self.kernel[1]) // self.stride[1] + 1

    @property
    def positions(self) -> int:
        """Output positions."""
        return self.out_height * self.out_width

    @property
    def inputs(self) -> int:
        """Activations of the map."""
        return self.height * self.width * self.channels

    @property
    def columns(self) -> int:
        """Elements of the kernel, over all channels."""
        return self.kernel[0] * self.kernel[1] * self.channels

    def gather(self, x: np.ndarray) -> np.ndarray:
        """The elements under the kernel at each position (im2col): [batch, positions, columns] from
        maps x [batch, inputs], with zeros for padding."""
        top, left, bottom, right = self.pad
        maps = np.pad(x.reshape(len(x), self.height, self.width, self.channels),
                      ((0, 0), (top, bottom), (left, right), (0, 0)))
        views = np.lib.stride_tricks.sliding_window_view(maps, self.kernel, axis=(1, 2))
        views = views[:, ::self.stride[0], ::self.stride[1]]
        return np.moveaxis(views, 3, 5).reshape(len(x), self.positions, self.columns)
