# SPDX-License-Identifier: Apache-2.0
"""Codes and runs of a file: as ``inspect`` counts their bits, and bounded by their entropy."""
import openeie
import pytest
from openeie.core.artefact.inspect import inspect
from openeie.sw.study.symbols import symbol_figure, symbols_of
from openeie.sw.study.table import PAPER, compression_rows

NETWORKS = ("lenet-300-100", "lenet-5")


@pytest.mark.parametrize("name", NETWORKS)
def test_bits_are_those_that_inspect_reads_from_the_file(name):
    symbols = symbols_of(openeie.shipped(name))
    layers = [layer for layer in inspect(openeie.shipped(name)).layers if layer.weights]
    assert [one.layer for one in symbols] == [x.name for x in layers for _ in range(2)]
    for layer, code, run in zip(layers, symbols[::2], symbols[1::2]):
        assert (code.kind, run.kind) == ("code", "run")
        assert sum(code.counts) == sum(run.counts) == layer.kept + layer.fillers
        assert code.counts[0] == layer.fillers
        assert (code.bits_fixed, run.bits_fixed) == (layer.weight_bits, layer.index_bits)
        assert code.bits_huffman == layer.weight_bits_huffman
        assert run.bits_huffman == layer.index_bits_huffman
    for one in symbols:
        assert one.entropy <= one.bits_huffman < one.entropy + 1
        assert one.bits_huffman < one.bits_fixed


def test_the_figures_shares_add_up():
    figure = symbol_figure(symbols_of(openeie.shipped("lenet-5")), "lenet-5")
    assert [panel.title for panel in figure.panels] == ["codes", "runs"]
    for panel in figure.panels:
        assert [line.name for line in panel.series] == ["conv1", "conv2", "ip1", "ip2"]
        assert all(sum(line.y) == pytest.approx(1) and min(line.y) > 0 for line in panel.series)
    assert "conv1 4 -> 3.63" in figure.note


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_has_the_papers_rows_beside_ours(name):
    rows, contents = compression_rows(name, openeie.shipped(name))
    assert [row.ours.name for row in rows] == list(PAPER[name])
    assert rows[-1].ours == contents.total
    total = rows[-1].to_dict()
    assert total["rate_stored"] < total["paper"]["rate_stored"]
    assert sum(row.to_dict()["weights"] for row in rows[:-1]) == total["weights"]
    # The paper's own totals follow from its layers; LeNet-5's rows make 2.73 %, it prints 2.55.
    weights = [float(row.paper.weights[:-1]) for row in rows]
    for name, off in (("kept", 0.006), ("rate_stored", 0.0019)):
        made = sum(n * getattr(row.paper, name) for n, row in zip(weights[:-1], rows))
        assert made / weights[-1] == pytest.approx(getattr(rows[-1].paper, name), abs=off)


def test_another_network_has_no_row_of_the_papers():
    rows, _ = compression_rows("mine", openeie.shipped("lenet-5"))
    assert {row.paper for row in rows} == {None} and rows[0].to_dict()["paper"] is None
