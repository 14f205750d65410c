# SPDX-License-Identifier: Apache-2.0
"""``openeie zoo`` as a user types it."""
import json
import sys
from pathlib import Path

import numpy as np
import openeie
import pytest
from openeie import cli

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NET, PROTOTXT = DATA / "compressed_SqueezeNet.net", DATA / "SqueezeNet_deploy.prototxt"
SAMPLE = DATA / "imagenet" / "sample100.npz"


@pytest.fixture
def zoo(monkeypatch, capsys):
    """Runs ``openeie zoo ...``; gives stdout, stderr and the exit code."""
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["openeie", "zoo", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capsys.readouterr()
        return out, " ".join(err.split()), exit_.value.code
    return run


def test_the_list(zoo):
    out, _, code = zoo("--images", 5, "--json")
    result = json.loads(out)
    assert not code and result["schema_version"] == 1 and result["config"]["pes"] == 16
    assert [one["name"] for one in result["networks"]] == ["lenet-300-100", "lenet-5"]
    for one in result["networks"]:
        assert one["pictures"] == 5 and one["cycles"] > 100 and one["factor"] > 39
        assert one["score"]["pictures"] == 10_000
        assert one["score"]["error"] < one["score"]["float_error"] + 0.005
    assert [one["name"] for one in result["to_bring"]] == ["squeezenet-dc"]
    text, _, code = zoo("--images", 5)
    rate = openeie.inspect(openeie.shipped("lenet-5")).factor
    for words in ("lenet-300-100", "lenet-5", f"{rate:.1f}x",
                  "squeezenet-dc (Song Han's released"):
        assert words in text
    assert not code and "\u2026" not in text


def test_a_network_that_does_not_fit_leaves_the_others(zoo):
    out, _, code = zoo("-c", "EIE16", "--images", 2, "--json")
    result = json.loads(out)
    assert not code and [one["name"] for one in result["networks"]] == ["lenet-300-100"]
    assert list(result["refused"]) == ["lenet-5"]
    assert "runs only linear layers" in result["refused"]["lenet-5"]
    text, _, code = zoo("-c", "EIE16", "--images", 2)
    rows = [line.split() for line in text.splitlines()]
    assert not code and ["lenet-5", *"--------"] in rows and "runs only linear layers" in text


def test_help_keeps_its_brackets(zoo):
    assert "uint8 [n, 227, 227, 3] RGB" in " ".join(zoo("--help")[0].split())


def test_one_network_on_another_array(zoo):
    out, _, code = zoo("lenet-300-100", "-c", "NET64", "--images", 2, "--json")
    result = json.loads(out)
    assert not code and result["config"]["pes"] == 64 and len(result["networks"]) == 1
    assert not result["to_bring"]


@pytest.mark.parametrize(("arguments", "message"), [
    (["vgg"], "the zoo has no network 'vgg'; it has: lenet-300-100, lenet-5, squeezenet-dc"),
    (["--images", "0"], "--images must be in 1 .. 5000, not 0"),
    (["lenet-300-100", "-c", "TINY"], "layer 'ip1' needs"),
    (["--net", "F.net"], "--net is an option of squeezenet-dc"),
    (["squeezenet-dc", "--net", "F.net", "-o", "x.eie"],
     "squeezenet-dc needs --pictures, --prototxt: it does not come with the package: get"),
    (["squeezenet-dc", "--net", "F.net", "--prototxt", "F.prototxt", "--pictures", "no.npz", "-o",
      "x.eie"], "cannot read images from no.npz: No such file"),
])
def test_bad_input_is_one_clear_line(zoo, arguments, message):
    out, err, code = zoo(*arguments)
    assert code == 2 and message in err and not out


@pytest.mark.skipif(not (NET.is_file() and SAMPLE.is_file()),
                    reason=f"{NET} or {SAMPLE} is not here")
def test_squeezenet(zoo, tmp_path):
    with np.load(SAMPLE) as sample:
        np.savez(tmp_path / "p.npz", **{name: sample[name][:3] for name in sample.files
                                        if name in ("images", "labels", "float_logits")})
    out, _, code = zoo("squeezenet-dc", "--net", NET, "--prototxt", PROTOTXT, "--pictures",
                       tmp_path / "p.npz", "-o", tmp_path / "s.eie", "--images", 1)
    assert not code and (tmp_path / "s.eie").is_file()
    assert "the array and the float network give the same answer on" in out and "1 images" in out
    (tmp_path / "cut.net").write_bytes(NET.read_bytes()[:1000])
    _, err, code = zoo("squeezenet-dc", "--net", tmp_path / "cut.net", "--prototxt", PROTOTXT,
                       "--pictures", tmp_path / "p.npz", "-o", tmp_path / "c.eie")
    assert code == 2 and "cut.net with" in err and not (tmp_path / "c.eie").exists()
