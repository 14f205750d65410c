# SPDX-License-Identifier: Apache-2.0
"""Address generator of convolutions: a kernel's rows at one output position after the other."""
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .layouts import Layer

__all__ = ["WindowWalk"]


class WindowWalk(wiring.Component):
    """Steps through the addresses of :class:`openeie.core.walk.Walk`, one a cycle.

    A pixel's rows follow one another; every other distance is in the descriptor, so that there
    is no multiplier. Addresses run through both activation memories. Rows beside the map are
    counted like any other; their addresses mean nothing.

    Members
    -------
    layer : constant from ``start`` on.
    start : pulse; the first address is there in the next cycle.
    step, last : go on to the next address, which is that of another position.
    address, inside : the row to read, and whether it lies in the map.
    pixel_ends : it is the last of its pixel.
    """
    def __init__(self, config):
        self._config = config
        super().__init__({
            "layer": In(Layer(config)),
            "start": In(1),
            "step": In(1),
            "last": In(1),
            "address": Out(config.act_address_width + 1),
            "inside": Out(1),
            "pixel_ends": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        layer, width = self.layer, self._config.act_address_width + 1
        # First addresses of the position, of its line of positions and of the input in hand.
        position, line, image = (Signal(width, name=name) for name in ("position", "line", "image"))
        pixel_row = Signal.like(layer.pixel_rows)
        kernel_x = Signal.like(layer.kernel_width)
        out_x, out_y = Signal.like(layer.out_width), Signal.like(layer.out_height)
        # Where row and position lie in the map; beside it on either side is far beyond its end.
        x, y, position_x, position_y = (Signal(17, name=name) for name in (
            "x", "y", "position_x", "position_y"))
        m.d.comb += [self.inside.eq((x < layer.width) & (y < layer.height)),
                     self.pixel_ends.eq(pixel_row == layer.pixel_rows - 1)]

        def begin(address):
            """At an input's first position."""
            return [image.eq(address), line.eq(address), position.eq(address),
                    self.address.eq(address), out_x.eq(0), out_y.eq(0),
                    x.eq(-layer.pad_left), position_x.eq(-layer.pad_left),
                    y.eq(-layer.pad_top), position_y.eq(-layer.pad_top)]

        with m.If(self.start):
            m.d.sync += [*begin(layer.origin), pixel_row.eq(0), kernel_x.eq(0)]
        with m.Elif(self.step & self.last):
            m.d.sync += [pixel_row.eq(0), kernel_x.eq(0), y.eq(position_y)]
            with m.If(out_x != layer.out_width - 1):
                m.d.sync += [out_x.eq(out_x + 1), position.eq(position + layer.x_step),
                             self.address.eq(position + layer.x_step),
                             x.eq(position_x + layer.stride_x),
                             position_x.eq(position_x + layer.stride_x)]
            with m.Elif(out_y != layer.out_height - 1):
                below = line + layer.y_step
                m.d.sync += [out_x.eq(0), out_y.eq(out_y + 1), line.eq(below), position.eq(below),
                             self.address.eq(below),
                             x.eq(-layer.pad_left), position_x.eq(-layer.pad_left),
                             y.eq(position_y + layer.stride_y),
                             position_y.eq(position_y + layer.stride_y)]
            with m.Else():
                m.d.sync += begin(image + layer.image_step)
        with m.Elif(self.step):
            m.d.sync += [self.address.eq(self.address + 1), pixel_row.eq(pixel_row + 1)]
            with m.If(self.pixel_ends):
                m.d.sync += [pixel_row.eq(0), kernel_x.eq(kernel_x + 1), x.eq(x + 1),
                             self.address.eq(self.address + layer.pixel_step)]
                with m.If(kernel_x == layer.kernel_width - 1):
                    m.d.sync += [kernel_x.eq(0), x.eq(position_x), y.eq(y + 1),
                                 self.address.eq(self.address + layer.row_step)]
        return m
