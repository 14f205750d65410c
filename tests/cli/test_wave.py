# SPDX-License-Identifier: Apache-2.0
"""``openeie wave``: what of a start is in the waveform, how large it is said to be, the formats."""
import re
import shutil

import numpy as np
import pytest
from openeie.core.artefact.artefact import save
from openeie.core.errors import ArrayFault
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.rtl.rtl import Rtl
from openeie.sim.views.waveform_views import read_header
from support.commands import run, run_alone, run_json

PES = 4


@pytest.fixture(scope="module")
def wave(tmp_path_factory):
    """Arguments of the verb for three layers on TINY."""
    folder, rng = tmp_path_factory.mktemp("wave"), np.random.default_rng(5)

    def layer(name, outputs, inputs):
        dense = rng.integers(-3, 4, (outputs, inputs)) * (rng.random((outputs, inputs)) < 0.5)
        one = np.ones(outputs, int)
        return Linear(name=name, weights=SparseWeights.from_dense(dense), encoding="csr",
                      bias=0 * one, multiplier=3 * one, shift=5 * one)
    save(Network(name="n", input_range=(-9, 9), layers=(
        layer("a", 20, 16), layer("b", 12, 20), layer("c", 8, 12))), folder / "n.eie")
    np.save(folder / "x.npy", rng.integers(1, 4, (1, 16)))
    return ("wave", folder / "n.eie", "-c", "TINY", "--input", folder / "x.npy")


def steps(path):
    """Times in the waveform, two a cycle."""
    return [int(time) for time in re.findall(r"^#(\d+)$", path.read_text(), re.MULTILINE)]


def pes_of(path):
    return {int(scope[2:]) for signal in read_header(path).values() for scope in signal.scope
            if re.fullmatch(r"pe\d+", scope)}


@pytest.fixture(scope="module")
def whole(wave, tmp_path_factory):
    """The waveform of the run, and what is said of it."""
    path = tmp_path_factory.mktemp("whole") / "w.vcd"
    return path, run_json(*wave, "-o", path)


def test_loading_is_left_out_unless_it_is_asked_for(wave, whole, tmp_path):
    path, result = whole
    run_only, loaded = len(steps(path)) / 2, tmp_path / "all.vcd"
    everything = run_json(*wave, "-o", loaded, "--with-loading")
    assert everything["cycles"] == result["cycles"]
    assert result["cycles"] < run_only < result["cycles"] + 40
    assert len(steps(loaded)) / 2 > 10 * run_only
    assert steps(loaded)[0] == 0 and np.all(np.diff(steps(loaded)) == 1)


def test_a_layer_a_window_of_cycles_and_pes(wave, whole, tmp_path):
    path, result = whole
    cycles = {}
    for name in "abc":
        layer = tmp_path / f"{name}.vcd"
        assert run_json(*wave, "-o", layer, "--layer", name)["cycles"] == result["cycles"]
        cycles[name] = len(steps(layer)) // 2
    both = tmp_path / "both.vcd"
    run(*wave, "-o", both, "--layer", "a", "--layer", "c", "-q")
    assert len(steps(both)) // 2 == cycles["a"] + cycles["c"]
    assert result["cycles"] < sum(cycles.values()) < result["cycles"] + 60
    window = tmp_path / "window.vcd"
    run(*wave, "-o", window, "--cycles", "20:50", "-q")
    assert steps(window) == steps(path)[40:100]
    some = tmp_path / "some.vcd"
    run(*wave, "-o", some, "--pes", "1,3", "-q")
    assert steps(some) == steps(path) and some.stat().st_size < path.stat().st_size
    assert pes_of(path) == set(range(PES)) and pes_of(some) == {1, 3}
    shared = [name for name in read_header(path) if ".pe" not in name]
    assert shared and set(shared) <= set(read_header(some))
    view = some.with_suffix(".gtkw").read_text()
    assert ".pe1.pe.blocks.counters.layer" in view and "-PE 1\n" in view and "-PE 0\n" not in view


@pytest.mark.parametrize("arguments", [(), ("--pes", "0"), ("--layer", "b"), ("--cycles", ":100"),
                                       ("--with-loading",)])
def test_the_size_is_told_before_within_a_factor_of_two(wave, tmp_path, arguments):
    path = tmp_path / "w.vcd"
    done = run(*wave, *arguments, "-o", path)
    told = re.search(r"about ([\d.]+) MB \(\.vcd\), ([\d,]+) cycles", done.stderr)
    size = path.stat().st_size
    assert size / 2.2 < float(told[1]) * 1e6 < size * 2.2
    assert int(told[2].replace(",", "")) == pytest.approx(len(steps(path)) / 2, rel=0.25, abs=40)


def test_a_waveform_that_is_too_large(wave, whole, tmp_path, monkeypatch):
    """Is refused by its estimate, and, if that was too low, left out when it is."""
    path = tmp_path / "w.vcd"
    assert run_json(*wave, "--with-loading", "-o", path)["bytes"] > 2_000_000
    path.unlink()
    for each in tmp_path.iterdir():
        each.unlink()
    done = run(*wave, "--with-loading", "--most-mb", 1, "-o", path, code=2)
    assert "more than --most-mb 1; choose --cycles" in done.stderr
    monkeypatch.setattr("openeie.sim.views.waveform._LOADING", (0, 0))
    monkeypatch.setattr("openeie.sim.views.waveform._RUNNING", (0, 0))
    done = run(*wave, "--with-loading", "--most-mb", 1, "-o", path, code=2)
    assert "it would have more than 1,000,000 bytes; choose --cycles" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("arguments", "message"), [
    (["--layer", "d"], "no layer 'd' in n; there are: a, b, c"),
    (["--layer", "a", "--with-loading"], "leave out --layer or --with-loading"),
    (["--pes", "4"], "PEs are 0 .. 3 in this array, not 4"),
    (["--pes", "2-1"], "--pes takes numbers and ranges such as 0,4-7, not '2-1'"),
    (["--cycles", "9:9"], "--cycles takes FROM:TO such as 100:500"),
    (["--cycles", "9"], "--cycles takes FROM:TO such as 100:500"),
    (["-o", "w.txt"], "must end in .fst or .vcd, not 'w.txt'"),
    (["-o", "no/w.vcd"], "cannot write no/w.vcd: there is no folder"),
    (["-o", "taken.vcd"], "cannot write taken.gtkw: it is a folder"),
    (["-o", "device.fst"], "choose .vcd")])
def test_bad_input(wave, tmp_path, arguments, message):
    (tmp_path / "taken.gtkw").mkdir()
    (tmp_path / "device.fst").symlink_to("/dev/null")
    names = sorted(tmp_path.iterdir())
    assert message in run(*wave, *arguments, code=2, cwd=tmp_path).stderr
    assert sorted(tmp_path.iterdir()) == names


def test_the_waveform_of_a_fault_is_kept(wave, tmp_path, monkeypatch):
    start = Rtl.start

    def fail(*arguments):
        start(*arguments)
        raise ArrayFault("the array reports WATCHDOG")
    monkeypatch.setattr(Rtl, "start", fail)
    done = run(*wave, "-o", tmp_path / "w.vcd", code=4)
    assert f"WATCHDOG; {tmp_path / 'w.vcd'} has the waveform up to there" in done.stderr
    assert len(steps(tmp_path / "w.vcd")) > 100 and (tmp_path / "w.gtkw").exists()


def test_standard_output(wave, whole):
    path, _ = whole
    done = run_alone(*wave, "-o", "-")
    assert len(re.findall(r"^#\d+$", done.stdout, re.MULTILINE)) == len(steps(path))
    assert done.stdout.startswith("$version") and "open with" not in done.stdout


def test_fst_without_its_converter(wave, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    done = run(*wave, "-o", tmp_path / "w.fst", code=3)
    assert "install it (Debian: apt install gtkwave), or choose .vcd" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("vcd2fst") is None, reason="needs GTKWave's vcd2fst")
def test_fst(wave, whole, tmp_path):
    path, _ = whole
    result = run_json(*wave, "-o", tmp_path / "w.fst")
    assert result["bytes"] < path.stat().st_size / 2
    assert f'"{tmp_path / "w.fst"}"' in (tmp_path / "w.gtkw").read_text()


def test_a_converter_that_fails_leaves_nothing(wave, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "vcd2fst").write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    (tmp_path / "bin" / "vcd2fst").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    done = run(*wave, "-o", tmp_path / "w.fst", code=3)
    assert "vcd2fst failed with exit code 1: no room" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]
