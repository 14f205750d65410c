# SPDX-License-Identifier: Apache-2.0
"""The address walk of a layer: which row of activations the scan reads when.

The gateware steps through it (``hw/address_walk.py``), adding the distances in the descriptor;
here the same numbers give all addresses at once.
"""
import dataclasses
from dataclasses import dataclass

import numpy as np

from ..array.descriptor import ADDRESS_BITS
from .window import Window

__all__ = ["AddressWalk"]


@dataclass(frozen=True, kw_only=True)
class AddressWalk:
    """A descriptor's window fields (``core.descriptor.WINDOW_WORDS``); rows are a PE's addresses.

    Attributes
    ----------
    kernel_height, kernel_width, stride_y, stride_x, pad_top, pad_left : in pixels.
    height, width : of the map that is read.
    out_height, out_width : output positions.
    pixel_rows : rows of one pixel that are read.
    origin : the first row read, which padding may put before the map.
    pixel_step : from the last row of a pixel to the first of the next.
    row_step : from the last row of a kernel line to the first of the next.
    x_step, y_step, image_step : from the first row of a position, of a line of positions, of an
        input to the first of the next.
    """
    kernel_height: int = 1
    kernel_width: int = 1
    stride_y: int = 1
    stride_x: int = 1
    pad_top: int = 0
    pad_left: int = 0
    pixel_rows: int
    height: int = 1
    width: int = 1
    out_height: int = 1
    out_width: int = 1
    origin: int = 0
    pixel_step: int = 1
    row_step: int = 1
    x_step: int = 0
    y_step: int = 0
    image_step: int

    @classmethod
    def of_vector(cls, rows: int, origin: int = 0) -> "AddressWalk":
        """Every row once, in order: a layer that is no convolution."""
        return cls(pixel_rows=rows, image_step=rows, origin=origin)

    @classmethod
    def of_window(cls, window: Window, rows: int, origin: int = 0, stride: int | None = None, *,
                  lines: range | None = None, held: range | None = None) -> "AddressWalk":
        """Position after position, a kernel line after the other in each. The map's first pixel
        begins at ``origin``; ``rows`` of a pixel are read, the next begins ``stride`` further.

        Of a band only the output ``lines`` are computed, and memory holds the ``held`` lines of
        the map, all that they need, from ``origin`` on. Padding is where the map ends."""
        stride = stride or rows
        line, limit = window.width * stride, 1 << ADDRESS_BITS
        left = window.pad[1]
        lines = range(window.out_height) if lines is None else lines
        held = range(window.height) if held is None else held
        # A window that sees nothing of the map has no line, whatever its distance.
        top = held.start - (lines.start * window.stride[0] - window.pad[0]) if held else 0
        return cls(
            kernel_height=window.kernel[0], kernel_width=window.kernel[1],
            stride_y=window.stride[0], stride_x=window.stride[1], pad_top=top, pad_left=left,
            pixel_rows=rows, height=len(held), width=window.width,
            out_height=len(lines), out_width=window.out_width,
            origin=(origin - top * line - left * stride) % limit,
            pixel_step=stride - rows + 1,
            row_step=(line - (window.kernel[1] - 1) * stride - rows + 1) % limit,
            x_step=window.stride[1] * stride % limit, y_step=window.stride[0] * line % limit,
            image_step=len(held) * line % limit)

    def sliced(self, rows: range) -> "AddressWalk":
        """The same walk over ``rows`` of each pixel alone."""
        left_out = self.pixel_rows - len(rows)
        limit = 1 << ADDRESS_BITS
        return dataclasses.replace(
            self, pixel_rows=len(rows), origin=(self.origin + rows.start) % limit,
            pixel_step=self.pixel_step + left_out, row_step=(self.row_step + left_out) % limit)

    @classmethod
    def of_pair(cls, pixels: int, rows: int, one: int, other: int, stride: int) -> "AddressWalk":
        """Pixel after pixel of two maps side by side, which begin at ``one`` and ``other``: a
        kernel of two lines over a map of two, the second of which lies wherever it may."""
        return cls(
            kernel_height=2, pixel_rows=rows, height=2, width=pixels, out_width=pixels, origin=one,
            pixel_step=stride - rows + 1, row_step=(other - one - rows + 1) % (1 << ADDRESS_BITS),
            x_step=stride, image_step=pixels * stride)

    @property
    def is_contiguous(self) -> bool:
        """Every row once, in order, from ``origin`` on: no window, or one of a pixel."""
        return (self.kernel_height, self.kernel_width, self.stride_y, self.stride_x, self.pad_top,
                self.pad_left) == (1, 1, 1, 1, 0, 0) \
            and self.out_height == self.height and self.out_width == self.width \
            and self.image_step == self.height * self.width * self.pixel_rows

    @property
    def pixel_stride(self) -> int:
        """From the first row of a pixel to that of the next."""
        return self.pixel_step - 1 + self.pixel_rows

    @property
    def map_origin(self) -> int:
        """First row of the map's first pixel, which padding lets the walk begin before."""
        beside = self.pad_top * self.width + self.pad_left
        return (self.origin + beside * self.pixel_stride) % (1 << ADDRESS_BITS)

    @property
    def rows(self) -> int:
        """Rows of one position."""
        return self.kernel_height * self.kernel_width * self.pixel_rows

    @property
    def positions(self) -> int:
        """Positions of one input."""
        return self.out_height * self.out_width

    def addresses(self, vectors: int, modulus: int) -> tuple[np.ndarray, np.ndarray]:
        """Row addresses int64 [vectors, rows] modulo ``modulus``, and whether each lies in the
        map: beside it, the scan takes zeros. ``vectors`` counts positions of all inputs."""
        image, position = np.divmod(np.arange(vectors), self.positions)
        y, x = np.divmod(position, self.out_width)
        line, along = np.divmod(np.arange(self.rows), self.kernel_width * self.pixel_rows)
        pixel, row = np.divmod(along, self.pixel_rows)
        stride = self.pixel_stride
        below = self.row_step - 1 + self.pixel_rows + (self.kernel_width - 1) * stride
        first = self.origin + image * self.image_step + y * self.y_step + x * self.x_step
        map_y = y[:, None] * self.stride_y - self.pad_top + line
        map_x = x[:, None] * self.stride_x - self.pad_left + pixel
        inside = (map_y >= 0) & (map_y < self.height) & (map_x >= 0) & (map_x < self.width)
        return (first[:, None] + line * below + pixel * stride + row) % modulus, inside
