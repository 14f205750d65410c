# SPDX-License-Identifier: Apache-2.0
"""Address generator of convolutions: a kernel's rows at one output position after the other."""
from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .structs import LayerFields

__all__ = ["AddressWalk"]


class AddressWalk(wiring.Component):
    """Steps through the addresses of :class:`openeie.core.network.address_walk.Walk`, one a cycle.

    An address is a position's first one plus an offset that all positions share. So the clusters
    take turns: one row of each cluster's position, then the next row of each. A cluster's first
    row of a position fetches that position from a generator, which is one ahead of all of them.

    A pixel's rows follow one another; every other distance is in the descriptor, so that there
    is no multiplier. Addresses run through both activation memories. Rows beside the map are
    counted like any other; their addresses mean nothing.

    Members
    -------
    layer : constant from ``scan_start`` on.
    scan_start : pulse; the first address is there in the next cycle.
    step : go on: to the next cluster; on ``last_cluster`` to the next row; on
        ``last_cluster`` and ``last`` to the next positions.
    cluster : whose turn it is.
    address, inside : the row to read, and whether it lies in the map.
    pixel_ends : it is the last of its pixel.
    """
    def __init__(self, config):
        self._config = config
        super().__init__({
            "layer": In(LayerFields(config)),
            "scan_start": In(1),
            "step": In(1),
            "last_cluster": In(1),
            "last": In(1),
            "cluster": In(config.cluster_width),
            "address": Out(config.act_address_width + 1),
            "inside": Out(1),
            "pixel_ends": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        layer, width = self.layer, self._config.act_address_width + 1
        # First address, and where it lies in the map: beside it on either side is far beyond its
        # end.
        layout = data.StructLayout({"address": width, "x": 17, "y": 17})
        next_position, position = Signal(layout), Signal(layout)
        buffer = Signal(data.ArrayLayout(layout, self._config.clusters))
        first = Signal()                        # the row is a position's first
        offset = Signal(width)
        pixel_row = Signal.like(layer.pixel_rows)
        kernel_x, kernel_y = Signal.like(layer.kernel_width), Signal.like(layer.kernel_height)
        x, y = Signal(17), Signal(17)
        m.d.comb += [
            position.eq(Mux(first, next_position, buffer[self.cluster])),
            self.address.eq(position.address + offset),
            x.eq(position.x + kernel_x), y.eq(position.y + kernel_y),
            self.inside.eq((x < layer.width) & (y < layer.height)),
            self.pixel_ends.eq(pixel_row == layer.pixel_rows - 1),
        ]
        begin_row = [offset.eq(0), pixel_row.eq(0), kernel_x.eq(0), kernel_y.eq(0), first.eq(1)]
        with m.If(self.scan_start):
            m.d.sync += begin_row
        with m.Elif(self.step & self.last_cluster & self.last):
            m.d.sync += begin_row
        with m.Elif(self.step & self.last_cluster):
            m.d.sync += [first.eq(0), offset.eq(offset + 1), pixel_row.eq(pixel_row + 1)]
            with m.If(self.pixel_ends):
                m.d.sync += [pixel_row.eq(0), kernel_x.eq(kernel_x + 1),
                             offset.eq(offset + layer.pixel_step)]
                with m.If(kernel_x == layer.kernel_width - 1):
                    m.d.sync += [kernel_x.eq(0), kernel_y.eq(kernel_y + 1),
                                 offset.eq(offset + layer.row_step)]
        fetch = self.step & first
        with m.If(fetch):
            m.d.sync += buffer[self.cluster].eq(next_position)
        self._positions(m, next_position, fetch)
        return m

    def _positions(self, m, next_position, fetch):
        """Every position in turn, from left to right, line by line, input by input."""
        layer = self.layer
        # First addresses of the line of positions and of the input in hand.
        line, image = (Signal.like(next_position.address, name=name) for name in ("line", "image"))
        out_x, out_y = Signal.like(layer.out_width), Signal.like(layer.out_height)

        def begin(address):
            """At an input's first position."""
            return [image.eq(address), line.eq(address), next_position.address.eq(address),
                    out_x.eq(0), out_y.eq(0),
                    next_position.x.eq(-layer.pad_left), next_position.y.eq(-layer.pad_top)]

        with m.If(self.scan_start):
            m.d.sync += begin(layer.origin)
        with m.Elif(fetch):
            with m.If(out_x != layer.out_width - 1):
                m.d.sync += [out_x.eq(out_x + 1),
                             next_position.address.eq(next_position.address + layer.x_step),
                             next_position.x.eq(next_position.x + layer.stride_x)]
            with m.Elif(out_y != layer.out_height - 1):
                below = line + layer.y_step
                m.d.sync += [out_x.eq(0), out_y.eq(out_y + 1), line.eq(below),
                             next_position.address.eq(below), next_position.x.eq(-layer.pad_left),
                             next_position.y.eq(next_position.y + layer.stride_y)]
            with m.Else():
                m.d.sync += begin(image + layer.image_step)
