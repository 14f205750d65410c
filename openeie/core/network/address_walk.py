# SPDX-License-Identifier: Apache-2.0
"""The address walk of a tile: which rows of activations the scan reads, in order.

The gateware (``hw/address_walk.py``) steps through it by adding the distances that the descriptor
holds. Here, the same numbers give all addresses at once.
"""
import dataclasses
from dataclasses import dataclass

import numpy as np

from ..array.descriptor import ADDRESS_BITS
from .window import Window

__all__ = ["AddressWalk"]


@dataclass(frozen=True, kw_only=True)
class AddressWalk:
    """A descriptor's fields for the walk (:data:`openeie.core.array.descriptor.WINDOW_WORDS`).

    A row is an address in every PE's activation memory, modulo ``2 ** ADDRESS_BITS``. Each output
    position reads the pixels of its kernel line by line, and ``pixel_rows`` rows of each pixel.

    Attributes
    ----------
    kernel_height, kernel_width, stride_y, stride_x, pad_top, pad_left : in pixels.
    height, width : pixels of the map that is read.
    out_height, out_width : output positions.
    pixel_rows : rows of each pixel that are read.
    origin : the first row read; with padding it may lie before the map.
    pixel_step : from the last row of a pixel to the first row of the next pixel.
    row_step : from the last row of a kernel line to the first row of the next kernel line.
    x_step, y_step, image_step : from the first row of a position, of a line of positions and of an
        input to the first row of the next.
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
        """Every row once, in order: a layer that is not a convolution."""
        return cls(pixel_rows=rows, image_step=rows, origin=origin)

    @classmethod
    def of_window(cls, window: Window, rows: int, origin: int = 0, stride: int | None = None, *,
                  lines: range | None = None, held: range | None = None) -> "AddressWalk":
        """The walk of a kernel over a map, or over a band of it.

        Parameters
        ----------
        window : kernel and map.
        rows : rows of each pixel that are read.
        origin : first row of the map's first pixel, or of the first of the lines ``held``.
        stride : rows from one pixel to the next; None: ``rows``.
        lines : output lines that are computed; None: all.
        held : lines of the map that are in memory, which are all that ``lines`` need; None: all.
            Outside them is padding.
        """
        stride = stride or rows
        line = window.width * stride
        limit = 1 << ADDRESS_BITS
        left = window.pad[1]
        lines = range(window.out_height) if lines is None else lines
        held = range(window.height) if held is None else held
        top = 0                         # if the window sees only padding, the distance is arbitrary
        if held:
            top = held.start - (lines.start * window.stride[0] - window.pad[0])
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
        """The same walk, but only over ``rows`` of each pixel."""
        left_out = self.pixel_rows - len(rows)
        limit = 1 << ADDRESS_BITS
        return dataclasses.replace(
            self, pixel_rows=len(rows), origin=(self.origin + rows.start) % limit,
            pixel_step=self.pixel_step + left_out, row_step=(self.row_step + left_out) % limit)

    @classmethod
    def of_pair(cls, pixels: int, rows: int, one: int, other: int, stride: int) -> "AddressWalk":
        """The walk over two maps of ``pixels`` pixels: each pixel of the one, then the same pixel
        of the other. The maps begin at rows ``one`` and ``other``; their pixels are ``stride`` rows
        apart, of which ``rows`` are read.

        To the array this is a kernel of two lines over a map of two lines, one for each map.
        """
        return cls(
            kernel_height=2, pixel_rows=rows, height=2, width=pixels, out_width=pixels, origin=one,
            pixel_step=stride - rows + 1, row_step=(other - one - rows + 1) % (1 << ADDRESS_BITS),
            x_step=stride, image_step=pixels * stride)

    @property
    def is_contiguous(self) -> bool:
        """Whether it reads every row once, in order, from ``origin`` on: there is no window, or one
        of a single pixel."""
        kernel = (self.kernel_height, self.kernel_width)
        stride = (self.stride_y, self.stride_x)
        pad = (self.pad_top, self.pad_left)
        return kernel == (1, 1) and stride == (1, 1) and pad == (0, 0) \
            and self.out_height == self.height and self.out_width == self.width \
            and self.image_step == self.height * self.width * self.pixel_rows

    @property
    def pixel_stride(self) -> int:
        """From the first row of a pixel to the first row of the next pixel."""
        return self.pixel_step - 1 + self.pixel_rows

    @property
    def map_origin(self) -> int:
        """First row of the map's first pixel; with padding, the walk begins before it."""
        padding = self.pad_top * self.width + self.pad_left
        return (self.origin + padding * self.pixel_stride) % (1 << ADDRESS_BITS)

    @property
    def rows(self) -> int:
        """Rows that one position reads."""
        return self.kernel_height * self.kernel_width * self.pixel_rows

    @property
    def positions(self) -> int:
        """Positions of one input."""
        return self.out_height * self.out_width

    def addresses(self, vectors: int, modulus: int) -> tuple[np.ndarray, np.ndarray]:
        """Row addresses int64 [vectors, rows] modulo ``modulus``, and whether each lies in the
        map, bool [vectors, rows]. Outside, in the padding, the scan gives zeros, or in a max
        pool the least activation.

        ``vectors`` is the number of positions of all inputs.
        """
        image, position = np.divmod(np.arange(vectors), self.positions)
        y, x = np.divmod(position, self.out_width)
        line, along = np.divmod(np.arange(self.rows), self.kernel_width * self.pixel_rows)
        pixel, row = np.divmod(along, self.pixel_rows)
        stride = self.pixel_stride
        line_stride = self.row_step - 1 + self.pixel_rows + (self.kernel_width - 1) * stride
        first = self.origin + image * self.image_step + y * self.y_step + x * self.x_step
        address = first[:, np.newaxis] + line * line_stride + pixel * stride + row
        map_y = y[:, np.newaxis] * self.stride_y - self.pad_top + line
        map_x = x[:, np.newaxis] * self.stride_x - self.pad_left + pixel
        inside = (map_y >= 0) & (map_y < self.height) & (map_x >= 0) & (map_x < self.width)
        return address % modulus, inside
