# SPDX-License-Identifier: Apache-2.0
"""Views of made-up waveforms: several clusters, missing signals."""
import pytest
from openeie.core.errors import InputError
from openeie.sim.views.waveform_views import gtkwave_view, read_header, surfer_view, wanted


def waveform(folder, blocks):
    """A file whose header has ``blocks``: scope inside the array and its variables."""
    lines = ["$timescale 1ps $end", "$scope module TOP $end", "$scope module openeie $end",
             "$var wire 1 ! clk $end", "$scope module accelerator $end",
             "$scope module array $end"]
    for scope, names in blocks.items():
        lines += [f"$scope module {scope} $end", "$var wire 1 ? $12 $end",
                  *(f"$var wire 1 + {name} $end" for name in names), "$upscope $end"]
    lines += ["$upscope $end"] * 4 + ["$enddefinitions $end", "#0", "1!"]
    path = folder / "w.vcd"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_each_cluster_has_its_own(tmp_path):
    path = waveform(tmp_path, {
        "lnzd0": ["o__valid"], "lnzd1": ["o__valid", "pending [3:0]"], "broadcast0": ["push"],
        "broadcast1": ["push", "item [22:0]", "item.column [5:0]", "other.act [3:0]"],
        "scan": ["row [15:0]"]})
    signals = read_header(path)
    assert len(signals) == 10 and not any("$" in name for name in signals)
    assert [name for name, _ in wanted(signals)] == [
        "array", "scan", "lnzd 0", "lnzd 1", "broadcast 0", "broadcast 1"]
    array = "TOP.openeie.accelerator.array"
    text = gtkwave_view(path, signals).decode()
    assert f"{array}.lnzd1.pending[3:0]\n" in text and "+{clock} TOP.openeie.clk\n" in text
    assert f"{array}.broadcast1.item.column[5:0]\n" in text
    lines = surfer_view(path, signals).decode().splitlines()
    assert f"variable_add {array}.broadcast1.item" in lines and "divider_add lnzd 1" in lines
    (tmp_path / "w.vcd").write_text(path.read_text().replace("item [22:0]", "thing [22:0]"))
    assert b".item" not in surfer_view(path, read_header(path))     # the whole is not there


@pytest.mark.parametrize("data", [b"", b"$scope module a $end\n", b"$var wire\n", b"\xff $var\n",
                                  b"$upscope $end\n"])
def test_no_waveform(tmp_path, data):
    path = tmp_path / "w.vcd"
    path.write_bytes(data)
    with pytest.raises(InputError, match="is no waveform"):
        read_header(path)
    path.unlink()
    with pytest.raises(InputError, match="cannot read the waveform"):
        read_header(path)
