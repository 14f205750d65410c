# SPDX-License-Identifier: Apache-2.0
"""The numbers of EIE's figures 8, 9 and 11 to 13, for any layers (section VI of the paper)."""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...core.array.config import ArrayConfig
from .energy import word_pj, words_read
from .workload import LayerTime, Workload

__all__ = ["QUEUE_DEPTHS", "WORD_WIDTHS", "PES", "PaperFigure", "figures", "precision_figure"]

#: What is varied: usable entries of a queue, bits of a word of entries, and PEs.
QUEUE_DEPTHS = tuple(1 << k for k in range(9))
WORD_WIDTHS = (32, 64, 128, 256, 512)
PES = tuple(1 << k for k in range(9))


@dataclass(frozen=True, kw_only=True)
class PaperFigure:
    """A chart of one or more series over one parameter.

    Attributes
    ----------
    name : of the file, as ``fig8``.
    title, x_label, y_label : texts of the chart.
    x : values of the parameter. If they are words, the chart has bars instead of lines.
    series : values over x, by name; usually a layer's.
    note : what a reader must know; may be empty.
    log_y : the vertical axis is logarithmic.
    share : the values are shares, 0 .. 1.
    """
    name: str
    title: str
    x_label: str
    y_label: str
    x: tuple[int | str, ...]
    series: Mapping[str, tuple[float, ...]]
    note: str = ""
    log_y: bool = False
    share: bool = False


def figures(layers: Sequence[Workload], config: ArrayConfig,
            progress: Callable[[int, int], None] | None = None) -> list[PaperFigure]:
    """All of these figures, for ``layers`` on ``config`` and arrays that differ in one field.

    progress : called with (layers done, layers).
    """
    balances: dict[str, tuple[float, ...]] = {}
    words: dict[str, tuple[int, ...]] = {}
    scaled: dict[str, list[LayerTime]] = {}
    for number, layer in enumerate(layers):
        time = layer.time(config)
        words[layer.name] = tuple(words_read(time, bits) for bits in WORD_WIDTHS)
        balances[layer.name] = tuple(layer.time(config.replace(queue_depth=depth)).balance
                                     for depth in QUEUE_DEPTHS)
        scaled[layer.name] = [layer.time(config.replace(pes=pes)) for pes in PES]
        if progress:
            progress(number + 1, len(layers))
    return [PaperFigure(name="fig8", title="Load balance and the depth of the queues",
                        x_label="usable entries of a queue", y_label="load balance",
                        x=QUEUE_DEPTHS, series=balances, share=True),
            *_width_figures(words), *_scaling_figures(scaled)]


def _width_figures(words: dict[str, tuple[int, ...]]) -> list[PaperFigure]:
    """Figure 9: with wider words there are fewer reads, and each takes more energy."""
    read_pj = tuple(word_pj(bits) for bits in WORD_WIDTHS)
    total = {}
    for name, counts in words.items():
        total[name] = tuple(count * pj * 1e-3 for count, pj in zip(counts, read_pj))
    return [PaperFigure(name="fig9-reads", title="Reads of the entry memory and its width",
                        x_label="bits of a word", y_label="words read", x=WORD_WIDTHS, log_y=True,
                        series=words),
            PaperFigure(name="fig9-energy", title="Energy of these reads (a model)",
                        x_label="bits of a word", y_label="nJ", x=WORD_WIDTHS, log_y=True,
                        series=total | {"pJ of one read": read_pj},
                        note="pJ of a read: a line through Table II's 64 bits and the end of the "
                             "paper's axis")]


def _scaling_figures(scaled: dict[str, list[LayerTime]]) -> list[PaperFigure]:
    """Figures 11, 12 and 13, over the number of PEs."""
    def over_pes(value: Callable[[LayerTime, LayerTime], float]) -> dict[str, tuple[float, ...]]:
        """``value`` of each time and that of one PE."""
        return {name: tuple(value(time, times[0]) for time in times)
                for name, times in scaled.items()}

    return [
        PaperFigure(name="fig11", title="Speed-up over one PE", x_label="PEs", y_label="speed-up",
                    x=PES, log_y=True, series=over_pes(lambda time, one: one.cycles / time.cycles)),
        PaperFigure(name="fig12", title="Real work: entries that are no fillers", x_label="PEs",
                    y_label="of all entries executed", x=PES, share=True,
                    series=over_pes(lambda time, _: time.total("busy") / max(1, time.entries))),
        PaperFigure(name="fig13", title="Load balance and the number of PEs", x_label="PEs",
                    y_label="load balance", x=PES, share=True,
                    series=over_pes(lambda time, _: time.balance))]


def precision_figure(errors: dict[str, float], network: str) -> PaperFigure:
    """Figure 10: error rates as :func:`openeie.sim.study.precision.errors_by_precision` returns
    them."""
    return PaperFigure(name="fig10", title=f"Precision of the arithmetic, {network}",
                       x_label="", y_label="error", x=tuple(errors),
                       series={network: tuple(errors.values())}, share=True)
