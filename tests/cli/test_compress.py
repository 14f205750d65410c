# SPDX-License-Identifier: Apache-2.0
"""``openeie compress`` as a user types it: the page's example, killed and resumed, refusals."""
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import openeie
import pytest
from openeie.cli import main
from openeie.cli.compress import _share
from openeie.core.errors import InputError
from support.commands import run, run_alone, run_json
from support.pictures import arrays

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compress.md"


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A folder with the files that the page shows, and pictures in it."""
    folder = tmp_path_factory.mktemp("example")
    for name, text in re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE.read_text(),
                                 re.DOTALL):
        (folder / name).write_text(text)
    subprocess.run([sys.executable, "mydata.py"], cwd=folder, check=True)
    return folder


@pytest.fixture
def here(example, monkeypatch, capsys):
    """Runs the verb in this process, where torch is loaded: exit code, stdout, stderr."""
    monkeypatch.chdir(example)

    def run_here(*words):
        monkeypatch.setattr(sys, "argv", ["openeie", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()
    return run_here


def arguments(out, *more, recipe="quick.toml", net="mynet.py:Net"):
    return ("compress", net, "--data", "mydata.npz", "--recipe", recipe, "-o", out, *more)


def test_the_pages_example(example, here):
    assert sorted(path.name for path in example.iterdir()) == [
        "mine.toml", "mydata.npz", "mydata.py", "mynet.py", "x.npy"]
    assert len((example / "mynet.py").read_text().splitlines()) <= 15
    result = run_json(*arguments("mynet.eie", "--budget", "1%", "--checkpoints", "steps",
                                 recipe="mine.toml"), cwd=example)
    network = openeie.load(example / "mynet.eie")
    assert result["errors"]["integer"] == network.provenance["integer_error"] < 0.1
    assert result["excess"] <= result["budget"] == 0.01
    assert result["file_bytes"] == (example / "mynet.eie").stat().st_size
    assert set(result["chosen"]) == {"prune.keep", "share.slots"}
    lost = result["quantisation"]
    assert [one["name"] for one in lost["layers"]] == [one.name for one in network.layers]
    assert lost["warnings"] == [] and all(0 < one["rms"] < 1e-3 for one in lost["layers"])
    assert set(result["chosen"]["prune.keep"]) == {"stem.0", "conv", "classes"}
    text = (example / "mynet.recipe.toml").read_text()
    written = tomllib.loads(text)
    assert written == result["recipe"] and written["prune"]["keep"] == "auto"
    assert "# chosen: share.slots = {\"stem.0\" = " in text
    # The line on the page.
    assert run("sim", "mynet.eie", "-c", "NET16", "--input", "x.npy", cwd=example).stdout
    with np.load(example / "mydata.npz") as data:
        images, labels = data["test_images"][:100], data["test_labels"][:100]
    outputs = openeie.simulate(network, images.reshape(100, -1).astype(int),
                               config="NET16").outputs
    assert np.mean(outputs.argmax(1) != labels) < 0.1
    # The same by the recipe that was written.
    run_json(*arguments("written.eie", "--budget", "1%", recipe="mynet.recipe.toml"), cwd=example)
    assert (example / "written.eie").read_bytes() == (example / "mynet.eie").read_bytes()
    # The same from the checkpoints, for people.
    code, out, err = here(*arguments("again.eie", "--budget", "1%", "--checkpoints", "steps",
                                     recipe="mine.toml"))
    assert not code and (example / "again.eie").read_bytes() == (
        example / "mynet.eie").read_bytes()
    assert "(P+Q+H)" in out and "of the held-out images" in out
    assert "calibration inputs, as shares of the largest" in out and "warning" not in err
    assert re.search(r"\[2/8\] prune +held-out accuracy .*%  test accuracy .* of 1,928 weights",
                     err)


QUICK = """
[train]
epochs = 2
batch = 50
[prune]
keep = {conv = 0.4, classes = 0.2}
[retrain]
epochs = 6
batch = 20
[share]
slots = 8
[centroids]
epochs = 2
"""


def test_the_users_recipe_is_not_written_over(example, here):
    (example / "mynet.recipe.toml").write_text(QUICK + "# mine\n")
    code, _, err = here(*arguments("mynet.eie", recipe="mynet.recipe.toml"))
    assert code == 2 and "give yours another name" in err
    assert (example / "mynet.recipe.toml").read_text().endswith("# mine\n")
    (example / "mynet.recipe.toml").unlink()


def test_killed_and_resumed_on_another_number_of_threads(example, here):
    """The same bytes as a run that was left alone."""
    (example / "quick.toml").write_text(QUICK)
    assert not here(*arguments("whole.eie", "-q"))[0]
    steps = example / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "openeie", *arguments("killed.eie", "--checkpoints", "killed")],
        cwd=example, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while not list(steps.glob("02-prune-*.safetensors")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL and not (example / "killed.eie").exists()
    assert not list(steps.glob("03-retrain-*.safetensors"))
    kept = {path: path.stat().st_mtime_ns for path in steps.glob("*.safetensors")}
    run_alone(*arguments("killed.eie", "--checkpoints", "killed", "-q"), cwd=example,
              env={"OMP_NUM_THREADS": "2"})
    assert (example / "killed.eie").read_bytes() == (example / "whole.eie").read_bytes()
    assert kept == {path: path.stat().st_mtime_ns for path in kept}     # not done again


def test_what_is_lost_is_told_after_a_resumed_run_too(example, here, monkeypatch):
    (example / "few.toml").write_text(QUICK)
    words = arguments("few.eie", "--checkpoints", "few", recipe="few.toml")
    code, _, err = here(*words)
    assert not code and "warning" not in err
    monkeypatch.setattr("openeie.sw.quantise.report._LOST", 1e-9)       # any rounding at all
    code, _, err = here(*words)
    told = [line for line in err.splitlines() if "arning" in line]
    assert not code and all(re.match(r"warning: layer '.*': channel \d+ is off by up to \d", line)
                            for line in told) and len(told) >= 3
    assert len(list((example / "few").glob("*-retrain-*"))) == 1        # not trained again


def test_a_budget_that_is_not_met(example, here):
    (example / "hard.toml").write_text(
        "[train]\nepochs = 3\nbatch = 20\n[prune]\nkeep = {classes = 0.01}\n")
    code, out, err = here(*arguments("hard.eie", "--budget", "0.5%", "--json",
                                     recipe="hard.toml"))
    result = json.loads(out)
    assert code == 2 and result["error"]["type"] == "BudgetError" and result["excess"] > 0.005
    assert "The best network is in hard.best.eie" in err
    assert not (example / "hard.eie").exists() and "earlier run" not in err
    best = openeie.load(example / "hard.best.eie")
    assert best.provenance["integer_error"] == result["errors"]["integer"]
    (example / "hard.eie").write_text("older")
    code, _, err = here(*arguments("hard.eie", "--budget", "0.005", "-q", recipe="hard.toml"))
    assert code == 2 and "hard.best.eie; hard.eie is from an earlier run, and is unchanged" in err
    assert (example / "hard.eie").read_text() == "older"


@pytest.mark.parametrize("text, share", [
    ("0.5%", 0.005), ("0.5 %", 0.005), (" 1e-3", 0.001), (".19", 0.19), ("50%", 0.5),
    ("100%", 1.0), ("0", 0.0), ("2e-1%", 0.002)])
def test_budgets(text, share):
    assert _share(text) == pytest.approx(share, rel=1e-12)


@pytest.mark.parametrize("text, message", [
    ("0.5", r"not '0.5'; write 0.5% or 0.005, or 50%$"), ("1", "write 1% or 0.01, or 100%$"),
    ("0.2", "write 0.2% or 0.002, or 20%$"), ("30", "not '30'; write 30%$"),
    ("300", "not '300'$"), ("101%", "not '101%'$"), ("-1%", "not '-1%'$"), ("nan", "not 'nan'$"),
    ("1e999", "not '1e999'$"), ("\u0663%", "--budget must be a share"), ("0.5  %", "a share such")])
def test_budgets_that_are_none(text, message):
    with pytest.raises(InputError, match=message):
        _share(text)


@pytest.mark.parametrize(("more", "message"), [
    (["--budget", "much"], "--budget must be a share such as 0.5% or 0.005, not 'much'"),
    (["--budget", "101%"], "--budget must be a share"),
    (["-o", "net.bin"], "--out must be an .eie file in a folder that exists, not net.bin"),
    (["-o", "folder.eie"], "cannot write folder.eie: it is a folder"),
    (["-o", "f2.eie"], "cannot write f2.best.recipe.toml: it is a folder"),
    (["-o", "/proc/net.eie"], "no file can be made in the folder /proc ("),
    (["-o", "none/net.eie"], "--out must be an .eie file in a folder that exists"),
    (["--hold-out", "-1"], "--hold-out must not be negative"),
    (["--hold-out", "0", "--budget", "1%"], "a budget is kept on held-out images"),
    (["--weights", "wrong.npz", "--recipe", "pruned.toml"], "wrong.npz does not fit Net:"),
    (["--weights", "wrong.npz"], "has its weights already: leave out the section [train], or the "),
    (["--data", "small.npz"], "mynet.py:Net must run on images of shape [1, 4, 4]"),
    (["--recipe", "unknown.toml"], "keep_all is unknown"),
])
def test_refusals(example, here, more, message):
    np.savez("wrong.npz", **{"conv.weight": np.zeros((8, 8, 5, 5), np.float32)})
    np.savez("small.npz", **{name: array[:, :4, :4] if "images" in name else array
                             for name, array in arrays(200, 20).items()})
    Path("unknown.toml").write_text("[prune]\nkeep_all = 0.5\n")
    Path("quick.toml").write_text(QUICK)
    for name in ("folder.eie", "f2.best.recipe.toml"):
        Path(name).mkdir(exist_ok=True)
    Path("pruned.toml").write_text("[prune]\nkeep = 0.5\n")
    code, _, err = here(*arguments("net.eie", *more))
    assert code == 2 and message in err and not list(example.glob("net.*"))


def test_held_out_pictures_that_weights_may_have_seen(example, here):
    """The tables say so; pictures that nothing was trained with end it."""
    code = "import torch, mynet; torch.save(mynet.Net().state_dict(), 'random.pt')"
    subprocess.run([sys.executable, "-c", code], cwd=example, check=True)
    Path("plain.toml").write_text("")
    words = arguments("seen.eie", "--weights", "random.pt", recipe="plain.toml")
    code, _, err = here(*words)
    assert code == 0 and "warning: the held-out images are the last 100 training imag" in err
    with np.load("mydata.npz") as held:
        np.savez("own.npz", **held, held_out_images=held["test_images"],
                 held_out_labels=held["test_labels"])
    code, out, err = here(*words, "--data", "own.npz")
    assert code == 0 and "warning" not in err and "of the held-out images" in out
    code, _, err = here(*words, "--data", "own.npz", "--hold-out", "5")
    assert code == 2 and "hold_out must be 300 or left out, not 5: data own.npz have 300" in err
    advised = err.partition("; give --hold-out ")[2].partition(",")[0]
    code, _, err = here(*words, "--data", "own.npz", "--hold-out", advised)
    assert code == 0 and "warning" not in err
