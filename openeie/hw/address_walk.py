# SPDX-License-Identifier: Apache-2.0
"""Address generator of convolutions: a kernel's rows at one output position after the other."""
from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from .structs import LayerFields

__all__ = ["AddressWalk"]


class AddressWalk(wiring.Component):
    """Steps through the addresses of :mod:`openeie.core.network.address_walk`, one a cycle.

    An address is the first one of a position plus an offset that all positions share. So the
    clusters can take turns: one row of each cluster's position, then the next row of each. A
    cluster's first row of a position takes that position from a generator, which is one position
    ahead of all clusters.

    A pixel's rows follow one another; every other distance is in the descriptor, so that there is
    no multiplier. Addresses run through both activation memories. Rows of padding are counted like
    any other; their addresses have no meaning.

    Latency 1: the first address is there in the cycle after ``scan_start``, the next one in the
    cycle after ``step``.

    Members
    -------
    layer : constant from ``scan_start`` on.
    scan_start : pulse.
    step : advance by one: to the next cluster; on ``last_cluster`` to the next row; on
        ``last_cluster`` and ``last`` to the next output positions.
    last_cluster : this is the last cluster's turn.
    last : this is the last row of the positions.
    cluster : whose turn it is.
    address : the row to read; its top bit selects memory A or B.
    inside : the row lies in the map, not in the padding.
    pixel_ends : the row is the last one of its pixel.
    """
    def __init__(self, config: ArrayConfig):
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer = self.layer
        width = self._config.act_address_width + 1
        # A position: its first address, and where in the map that is. Coordinates left of or above
        # the map are negative, and so, without a sign, far beyond its end.
        layout = data.StructLayout({"address": width, "x": 17, "y": 17})
        next_position = Signal(layout)
        position = Signal(layout)
        buffer = Signal(data.ArrayLayout(layout, self._config.clusters))
        is_first = Signal()                     # the row is a position's first
        offset = Signal(width)
        pixel_row = Signal.like(layer.pixel_rows)
        kernel_x = Signal.like(layer.kernel_width)
        kernel_y = Signal.like(layer.kernel_height)
        x = Signal(17)
        y = Signal(17)
        m.d.comb += [
            position.eq(Mux(is_first, next_position, buffer[self.cluster])),
            self.address.eq(position.address + offset),
            x.eq(position.x + kernel_x),
            y.eq(position.y + kernel_y),
            self.inside.eq((x < layer.width) & (y < layer.height)),
            self.pixel_ends.eq(pixel_row == layer.pixel_rows - 1),
        ]
        row_step = self.step & self.last_cluster
        with m.If(self.scan_start | (row_step & self.last)):
            m.d.sync += [
                offset.eq(0),
                pixel_row.eq(0),
                kernel_x.eq(0),
                kernel_y.eq(0),
                is_first.eq(1),
            ]
        with m.Elif(row_step):
            m.d.sync += is_first.eq(0)
            m.d.sync += offset.eq(offset + 1)
            m.d.sync += pixel_row.eq(pixel_row + 1)
            with m.If(self.pixel_ends):
                m.d.sync += pixel_row.eq(0)
                m.d.sync += kernel_x.eq(kernel_x + 1)
                m.d.sync += offset.eq(offset + layer.pixel_step)
                with m.If(kernel_x == layer.kernel_width - 1):
                    m.d.sync += kernel_x.eq(0)
                    m.d.sync += kernel_y.eq(kernel_y + 1)
                    m.d.sync += offset.eq(offset + layer.row_step)
        fetch = self.step & is_first
        with m.If(fetch):
            m.d.sync += buffer[self.cluster].eq(next_position)
        self._positions(m, next_position, fetch)
        return m

    def _positions(self, m: Module, next_position: data.View, fetch: Value) -> None:
        """Every position in turn, from left to right, line by line, input by input."""
        layer = self.layer
        # First addresses of the current line of positions and of the current input.
        line = Signal.like(next_position.address)
        image = Signal.like(next_position.address)
        out_x = Signal.like(layer.out_width)
        out_y = Signal.like(layer.out_height)

        def begin_input(address: Value) -> list:
            """At an input's first position."""
            return [
                image.eq(address),
                line.eq(address),
                out_x.eq(0),
                out_y.eq(0),
                next_position.address.eq(address),
                next_position.x.eq(-layer.pad_left),
                next_position.y.eq(-layer.pad_top),
            ]

        with m.If(self.scan_start):
            m.d.sync += begin_input(layer.origin)
        with m.Elif(fetch):
            with m.If(out_x != layer.out_width - 1):
                m.d.sync += [
                    out_x.eq(out_x + 1),
                    next_position.address.eq(next_position.address + layer.x_step),
                    next_position.x.eq(next_position.x + layer.stride_x),
                ]
            with m.Elif(out_y != layer.out_height - 1):
                next_line = line + layer.y_step
                m.d.sync += [
                    out_x.eq(0),
                    out_y.eq(out_y + 1),
                    line.eq(next_line),
                    next_position.address.eq(next_line),
                    next_position.x.eq(-layer.pad_left),
                    next_position.y.eq(next_position.y + layer.stride_y),
                ]
            with m.Else():
                m.d.sync += begin_input(image + layer.image_step)
