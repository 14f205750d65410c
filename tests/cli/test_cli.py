# SPDX-License-Identifier: Apache-2.0
"""Every verb as a user types it; bad input gives one clear line and a non-zero exit code."""
import json
from pathlib import Path

import numpy as np
import openeie
import pytest
from openeie.cli.common import array_for, read_inputs
from openeie.cli.models import inputs_for, load_model
from openeie.core import golden
from openeie.core.array.config import preset
from openeie.core.errors import InputError
from openeie.sw.data.mnist import demo_images
from support.commands import run, run_alone, run_json
from support.damage import whole_network
from support.study_subject import write_mnist

LENET = "lenet-300-100"


def test_doctor():
    checks = run_json("doctor")["checks"]
    assert {"python", "g++", "make", "perl", "verilator", "cache"} <= {c["name"] for c in checks}
    assert all(check["ok"] or check["optional"] for check in checks)


def test_doctor_names_what_is_missing_and_the_fix(tmp_path):
    env = {"PATH": str(tmp_path), "OPENEIE_CACHE": str(tmp_path)}
    done = run_alone("doctor", env=env, code=3)
    for need, fix in (("g++", "apt install g++"), ("make", "apt install make"),
                      ("perl", "apt install perl")):
        assert need in done.stderr and fix in done.stderr


def test_inspect():
    result = run_json("inspect", LENET)
    path = openeie.shipped(LENET)
    assert result["file_bytes"] == path.stat().st_size <= 30_000
    assert [layer["weights"] for layer in result["layers"]] == [235_200, 30_000, 1_000]
    text = run("inspect", path).stdout
    assert "(P+Q+H)" in text and "266,200" in text and "\u2026" not in text


def test_a_whole_network_from_its_file(tmp_path, rng):
    """Every kind of layer, from a file through inspect, compile, sim and verify."""
    path, x = tmp_path / "whole.eie", tmp_path / "x.npy"
    openeie.save(whole_network(), path)
    np.save(x, rng.integers(-5, 91, (3, 90)))
    layers = run_json("inspect", path)["layers"]
    assert [layer["kind"] for layer in layers] == ["conv", "conv", "conv", "max pool", "sum pool",
                                                   "depthwise", "add", "linear"]
    assert layers[0]["window"]["kernel"] == [3, 2] and layers[7]["window"] is None
    text = run("inspect", path).stdout
    assert "3x2/2,1, 6x5x3" in text and "2x2 max, 3x4x5" in text \
        and "2x1 depthwise, 2x1x5" in text and "\u2026" not in text
    on_it = (path, "-c", "NET16")
    assert run_json("compile", *on_it)["layers"][3]["name"] == "most"
    assert run_json("sim", *on_it, "--input", x)["cycles"] > 0
    result = run_json("verify", *on_it, "--input", x, "--engines", "golden,fast")
    assert result["equal"] and result["words"] == 3 * (48 + 24 + 36 + 30 + 10 + 10 + 10 + 7)
    assert "takes 90 inputs, but the demo's" in run("sim", *on_it, code=2).stderr


def test_compile(tmp_path):
    out = tmp_path / "program.npz"
    result = run_json("compile", LENET, "--config", "EIE16", "-o", out)
    assert result["memories"]["pointer_depth"] == {"used": 1187, "available": 2048}
    with np.load(out) as program:
        assert program["records"].dtype.itemsize == 16


def test_sim_on_fast(tmp_path):
    out = tmp_path / "run.npz"
    result = run_json("sim", LENET, "--config", "EIE16", "--images", 50, "-o", out)
    assert result["inputs"] == 50 and len(result["layers"]) == 3
    for layer in result["layers"]:
        assert sum(layer["counters"].values()) == 16 * layer["cycles"]
    with np.load(out) as arrays:
        assert arrays["ip3.outputs"].shape == (50, 10)
        assert arrays["ip3.saturated"].shape == (50, 16)
        assert json.loads(arrays["result"].item())["config"]["pes"] == 16
    assert "error rate" in run("sim", LENET, "-c", "EIE16", "--images", 50).stdout


def test_sim_with_a_configuration_file_and_own_inputs(tmp_path):
    config = tmp_path / "array.toml"
    config.write_text('pes = 8\nencodings = ["codebook"]\npointer_depth = 2048\nacc_depth = 64\n'
                      'act_depth = 128\n')
    inputs = tmp_path / "x.npz"
    np.savez(inputs, inputs=np.full((3, 784), 7))
    result = run_json("sim", LENET, "--config", config, "--set", "queue_depth=2", "--encoding",
                      "codebook", "--input", inputs)
    assert result["config"]["pes"] == 8 and result["config"]["queue_depth"] == 2


def test_verify_model_on_all_engines():
    result = run_json("verify", LENET, "--images", 2)
    assert result["equal"] and result["engines"] == ["golden", "fast", "rtl"]
    # golden = fast, golden = rtl, fast = rtl on words; fast = rtl on cycles and counters; golden
    # knows how many outputs of a layer saturate, not in which PE.
    assert result["words"] == 3 * 2 * 410
    assert result["cycles"] == 2 * 3 and result["counters"] == 2 * 3 * (16 * 8 + 2)


def test_verify_random_without_the_gateware():
    result = run_json("verify", "--random", 40, "--seed", 3, "--engines", "golden,fast")
    assert result["layers"] >= 40 and result["equal"]


@pytest.mark.slow
def test_wave(tmp_path):
    out = tmp_path / "w.vcd"
    # Fewer PEs: a model that writes a waveform compiles slowly.
    sizes = ("pes=4", "act_depth=256", "acc_depth=128")
    result = run_json("wave", LENET, *sum((["--set", size] for size in sizes), []),
                      "-o", out)
    assert result["bytes"] == out.stat().st_size > 100_000
    assert out.read_text(errors="replace")[:2000].count("$") > 2
    view = out.with_suffix(".gtkw")
    assert result["open_with"][0] == f"gtkwave {out} {view}"
    assert result["views"] == [str(view), str(out.with_suffix(".sucl"))]
    assert all(Path(path).stat().st_size > 1000 for path in result["views"])


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["inspect", "nothing.eie"], 2, "cannot read nothing.eie: No such file or directory"),
    (["inspect", "vgg"], 2, "no artefact 'vgg' comes with the package; there are: lenet-300-100"),
    (["sim", LENET, "-c", "EIE9"], 2, "unknown preset 'EIE9'; did you mean EIE64 or EIE16"),
    (["sim", LENET, "-c", "no.toml"], 2, "cannot read the configuration no.toml"),
    (["sim", LENET, "--set", "pe=4"], 2, "unknown configuration key 'pe'; did you mean pes? the"),
    (["sim", LENET, "--set", "pes"], 2, "--set takes FIELD=VALUE, not 'pes'"),
    (["sim", LENET, "--set", "pes=many"], 2, "--set pes takes an integer, not 'many'"),
    (["sim", LENET, "--set", "pes=0"], 2, "pes must be in 1 .. 1024, not 0"),
    (["sim", LENET, "-c", "TINY"], 2, "acc_depth: layer 'ip1' needs 75, the array has 16"),
    (["sim", LENET, "-e", "fpga"], 2, "engine must be one of golden, fast, rtl, not 'fpga'"),
    (["sim", LENET, "--images", "0"], 2, "--images must be in 1 .. 5000, not 0"),
    (["sim", LENET, "--input", "no.npy"], 2, "cannot read inputs from no.npy"),
    (["sim", LENET, "--vectors", "3", "--images", "4", "--encoding", "csr"], 2, "multiple"),
    (["verify"], 2, "give either a MODEL or --random N"),
    (["verify", LENET, "--engines", "fast"], 2, "engines must be two or more of golden"),
    (["wave", LENET, "-o", "x.png"], 2, "must end in .fst or .vcd, not 'x.png'"),
    (["demo", "--rtl-images", "0"], 2, "--rtl-images must be in 1 .. 5000, not 0"),
    (["frobnicate"], 2, "No such command 'frobnicate'"),
])
def test_bad_input(arguments, code, message):
    done = run(*arguments, code=code)
    assert message in " ".join(done.stderr.split())
    assert not done.stdout


@pytest.mark.parametrize(("array", "message"), [
    (np.zeros((2, 3), int), "takes inputs of shape [batch, 784], not [2, 3]"),
    (np.full((1, 784), np.nan), "input [0, 0] must be an integer activation"),
    (np.full((1, 784), 256), "input [0, 0] must be in 0 .. 255, not 256"),
    (np.array([{"a": 1}], dtype=object), "cannot read inputs from"),
])
def test_bad_arrays(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    done = run("sim", LENET, "-c", "EIE16", "--input", tmp_path / "x.npy", code=2)
    assert message in done.stderr


@pytest.mark.parametrize(("arrays", "message"), [
    ({"inputs": np.zeros((0, 784), int)}, "must hold at least one input, not an array of shape"),
    ({"inputs": np.zeros((2, 784), int), "labels": np.zeros(3, int)},
     "'labels' must be integers [2], one for each input, not int64 [3]"),
    ({"inputs": np.zeros((2, 784), int), "labels": np.zeros((2, 1), int)}, "not int64 [2, 1]"),
    ({"inputs": np.zeros((2, 784), int), "labels": np.zeros(2)}, "not float64 [2]"),
    ({"x": np.zeros((2, 784), int)}, "has no array 'inputs'; it has: x"),
    ({"inputs": np.array(3)}, "takes inputs of shape [batch, 784], not [1, 1]"),
])
def test_inputs_and_labels_that_are_none(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError) as raised:
        inputs_for(load_model(LENET), tmp_path / "x.npz", None)
    assert message in str(raised.value)


def test_an_empty_batch_is_one_clear_line(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((0, 784), int))
    for engine in ("golden", "fast"):
        assert "must hold at least one input" in run(
            "sim", LENET, "-e", engine, "--input", tmp_path / "x.npy", code=2).stderr


def test_one_input_without_a_batch(tmp_path):
    np.savez(tmp_path / "x.npz", inputs=np.full(784, 7), labels=np.array([3]))
    x, labels = inputs_for(load_model(LENET), tmp_path / "x.npz", None)
    assert x.shape == (1, 784) and labels.tolist() == [3]


def test_mnists_test_set_is_an_input(tmp_path):
    folder = write_mnist(tmp_path, train=7, test=50)
    x, labels = demo_images()
    result = run_json("sim", LENET, "-e", "golden", "--input", f"mnist:{folder}")
    answers = golden.run(load_model(LENET), x[7:57]).outputs.argmax(axis=1)
    assert result["error_rate"] == np.mean(answers != labels[7:57])
    assert "MNIST file t10k-images-idx3-ubyte.gz cannot be read from /nowhere" in run(
        "sim", LENET, "--input", "mnist:/nowhere", code=2).stderr


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_file_is_refused_or_read(tmp_path, save):
    """Cut anywhere, or with any byte of its structure wrong: nothing but an InputError escapes."""
    path = tmp_path / "x.npz"
    save(path, inputs=np.arange(12).reshape(3, 4), labels=np.arange(3))
    whole, refused = path.read_bytes(), 0
    damaged = [whole[:end] for end in range(0, len(whole), 7)]
    damaged += [whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1:]
                for at in range(len(whole)) for flip in (1, 0x80, 0xff)]
    for data in damaged:
        path.write_bytes(data)
        try:
            read_inputs(path)
        except InputError as error:
            refused += str(path) in str(error)
    assert refused > len(damaged) / 2


def test_errors_as_json(tmp_path):
    (tmp_path / "cut.eie").write_bytes(openeie.shipped(LENET).read_bytes()[:5000])
    result = run_json("inspect", tmp_path / "cut.eie", code=2)
    assert result["error"]["type"] == "ArtefactError"
    assert "cut.eie is not an artefact" in result["error"]["message"]


@pytest.mark.parametrize(("arguments", "message"), [
    (["compile", LENET, "--images", "abc"], "Invalid value for '--images'"),
    (["sim"], "MODEL"),
    (["sim", LENET, "--frobnicate"], "No such option: --frobnicate"),
    (["frobnicate"], "No such command 'frobnicate'"),
])
def test_usage_errors_as_json(arguments, message):
    error = run_json(*arguments, code=2)["error"]
    assert error["type"] == "UsageError" and message in error["message"]


def test_the_default_array_suits_the_network():
    linear, whole = load_model(LENET), whole_network()
    for preset_name in ("EIE16", "EIE64"):
        assert array_for(linear, None, None, linear=preset_name).config == preset(preset_name)
        assert array_for(whole, None, None, linear=preset_name).config == preset("NET16")
    wider = array_for(whole, None, ["pes=8"], linear="EIE64")
    assert wider.config == preset("NET16").replace(pes=8) and wider.free_run_width
    assert array_for(whole, "EIE16", None, linear="EIE64").config == preset("EIE16")
    assert not array_for(whole, None, ["run_width=4"], linear="EIE64").free_run_width
    assert run_json("sim", "lenet-5", "--images", 1)["config"]["pes"] == 16
    assert "NET16 for networks with more than linear layers" in " ".join(
        run("sim", "--help").stdout.split())


def test_missing_compiler_is_one_clear_error(tmp_path):
    done = run_alone("verify", LENET, "--images", 1, code=3,
               env={"PATH": str(tmp_path), "OPENEIE_CACHE": str(tmp_path)})
    assert "no C++ compiler 'g++' on PATH" in done.stderr
    assert not list(tmp_path.glob("rtl/*"))             # nothing half-built is left
