# SPDX-License-Identifier: Apache-2.0
"""A user who may write nowhere but into temporary files, and an install that nobody may write."""
import shutil
import stat
import tempfile
from pathlib import Path

import numpy as np
import openeie
from support import other_user
import pytest
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place():
    """A read-only install with a network and inputs for TINY; pytest's own folders are private."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(openeie.__file__).parent, place / "install" / "openeie",
                        ignore=ignore)
        rng = np.random.default_rng(1)
        layer = Linear(name="only", encoding="csr",
                       weights=SparseWeights.from_dense(rng.integers(-1, 2, (9, 12))),
                       bias=np.zeros(9, int), multiplier=np.full(9, 3), shift=np.full(9, 2))
        openeie.save(Network(name="small", layers=(layer,)), place / "small.eie")
        np.save(place / "x.npy", rng.integers(-50, 50, (2, 12)))
        for path in [place, *place.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield place
        for path in [place, *place.rglob("*")]:
            path.chmod(0o755)


def _writable(place, name):
    """A folder that everybody may write into, as /tmp is."""
    place.chmod(0o755)
    (place / name).mkdir()
    (place / name).chmod(0o1777)
    place.chmod(0o555)
    return place / name


def _run(place, temporary, *words, **more):
    done = other_user.run(words, cwd=place, PYTHONPATH=str(place / "install"),
                          TMPDIR=str(temporary), **more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_every_verb_works_without_a_home(place):
    """Those that keep something do so in a temporary folder, which the next one finds again; each
    says so once."""
    temporary = _writable(place, "tmp")
    model = ("small.eie", "-c", "TINY", "--input", "x.npy")
    for words, said, keeps in (
            (["--help"], "doctor", False), (["inspect", "small.eie"], "small", False),
            (["doctor"], "verilator", True), (["verify", *model], "equal", True),
            (["sim", *model, "--picture", temporary / "picture.svg"], "small", True)):
        done = _run(place, temporary, "-m", "openeie", *words)
        assert said in done.stdout
        warnings = done.stderr.splitlines()
        assert len(warnings) == keeps
        assert all("/nonexistent/.cache/openeie" in line and "OPENEIE_CACHE" in line
                   for line in warnings)
    (temporary / "picture.svg").unlink()
    folder, = temporary.iterdir()
    assert folder.name == f"openeie-{other_user.UID}"
    assert folder.stat().st_uid == other_user.UID and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {"matplotlib", "fast", "rtl", "wasmtime"} <= {path.name for path in folder.iterdir()}
    assert not list((folder / "rtl").glob("building-*"))


def test_one_variable_governs_every_cache(place):
    """Of the library, too."""
    temporary, cache = _writable(place, "none"), _writable(place, "cache")
    code = ("import numpy, openeie\n"
            "x = numpy.load('x.npy')\n"
            "run = openeie.simulate('small.eie', x, config='TINY')\n"
            "from openeie.sim.rtl.verilog import generate\n"
            "assert 'module openeie' in generate(openeie.preset('TINY'))\n")
    done = _run(place, temporary, "-c", code, OPENEIE_CACHE=str(cache))
    assert done.stderr == "" and not list(temporary.iterdir())
    assert {path.name for path in cache.iterdir()} == {"fast", "locks", "wasmtime"}
    assert len(list((cache / "fast").rglob("*.so"))) == 1
