# SPDX-License-Identifier: Apache-2.0
"""The accelerator: the array with its sequencer, load port and read port."""
from collections.abc import Callable

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..core.array.config import ArrayConfig
from ..core.array.load_port import Fault, Status, Target
from .array import PEArray
from .loader import Loader
from .pe import PE
from .sequencer import Sequencer
from .structs import LoadWord, ReadRequest

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """What a board puts behind its link, and what the simulators run.

    Throughput of the ports: one load word in ``Loader.cycles`` cycles, one read in
    ``PEArray.read_latency`` + 2 cycles.

    Parameters
    ----------
    pe : makes one processing element from the configuration; see :class:`PEArray`.

    Members
    -------
    i_load : stream of :class:`LoadWord`: writes, and commands to the target CONTROL. Nothing is
        taken while ``busy`` (``Target`` and ``Control`` of :mod:`openeie.core.array.load_port`).
    i_read : stream of :class:`ReadRequest`. A read of CONTROL is answered at any time; every other
        one waits while ``busy``, and for a cycle when a load word is taken.
    o_read : stream of 64-bit answers, one for each request, in order.
    busy : a program runs, or the accumulators are being wiped after a reset.
    fault : why the array refused a program or stopped it; NONE if all is well.
    """
    def __init__(self, config: ArrayConfig, *, pe: Callable[[ArrayConfig], wiring.Component] = PE):
        self._config = config
        self._pe = pe
        super().__init__({
            "i_load": In(stream.Signature(LoadWord())),
            "i_read": In(stream.Signature(ReadRequest())),
            "o_read": Out(stream.Signature(64)),
            "busy": Out(1),
            "fault": Out(Fault),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader = loader = Loader(self._config)
        m.submodules.sequencer = sequencer = Sequencer(self._config)
        m.submodules.array = array = PEArray(self._config, pe=self._pe)

        connect(m, flipped(self.i_load), loader.i)
        m.d.comb += [
            loader.busy.eq(sequencer.busy),
            loader.stopped.eq(sequencer.stopped),
            sequencer.program_start.eq(loader.program_start),
            sequencer.first.eq(loader.first),
            sequencer.count.eq(loader.count),
            sequencer.load_en.eq(loader.write & (loader.word.target == Target.DESCRIPTOR)),
            sequencer.load_address.eq(loader.word.address),
            sequencer.load_data.eq(loader.word.data),
            sequencer.done.eq(array.done),
            sequencer.full.eq(array.full),
            array.load_en.eq(loader.write),
            array.load.eq(loader.word),
            # The watchdog stops everything where it stands; the sequencer wipes up after it.
            array.reset.eq(sequencer.stopped),
            self.busy.eq(sequencer.busy),
            self.fault.eq(loader.fault),
        ]
        for name in ("layer", "layer_start", "clear", "clear_index", "scan_start", "running",
                     "wipe", "wipe_row"):
            m.d.comb += getattr(array, name).eq(getattr(sequencer, name))
        self._read_port(m, sequencer, array)
        return m

    def _read_port(self, m: Module, sequencer: Sequencer, array: PEArray) -> None:
        """One read at a time: keep the request until the memories and the mux have answered."""
        request = Signal(ReadRequest())
        reading = Signal(PEArray.read_latency + 1)      # one-hot: cycles since the request
        writing = Signal(PE.load_latency + 1)           # a write is under way to a memory
        m.d.sync += writing.eq(Cat(array.load_en, writing))
        is_control = self.i_read.p.target == Target.CONTROL
        # What is taken may be a START, which `busy` shows a cycle later, or a write to what would
        # be read.
        taking = self.i_load.valid & self.i_load.ready
        m.d.comb += [
            array.read.eq(request),
            sequencer.cycles_address.eq(request.address),
            self.i_read.ready.eq((reading == 0) & ~self.o_read.valid
                                 & ~array.load_en & ~writing.any()
                                 & (is_control | ~(sequencer.busy | taking))),
        ]
        m.d.sync += reading.eq(reading << 1)
        with m.If(self.i_read.valid & self.i_read.ready):
            m.d.sync += request.eq(self.i_read.payload)
            m.d.sync += reading.eq(1)

        status = self._status(m, request, sequencer)
        with m.If(self.o_read.ready):
            m.d.sync += self.o_read.valid.eq(0)
        with m.If(reading[-1]):
            m.d.sync += self.o_read.valid.eq(1)
            with m.Switch(request.target):
                with m.Case(Target.CONTROL):
                    m.d.sync += self.o_read.payload.eq(status)
                with m.Case(Target.CYCLES):
                    m.d.sync += self.o_read.payload.eq(sequencer.cycles)
                with m.Default():
                    m.d.sync += self.o_read.payload.eq(array.data)

    def _status(self, m: Module, request: Value, sequencer: Sequencer) -> Signal:
        """The status word at the requested address: state, configuration, or place of a fault."""
        status = Signal(64)
        padding = Const(0, 8 - len(self.fault))
        with m.Switch(request.address):
            with m.Case(Status.STATE):
                m.d.comb += status.eq(Cat(self.fault, padding, sequencer.busy, Const(0, 7),
                                          sequencer.layer.number))
            with m.Case(Status.CONFIG):
                m.d.comb += status.eq(int(self._config.digest[:16], 16))
            with m.Case(Status.PLACE):
                m.d.comb += status.eq(sequencer.place)
        return status
