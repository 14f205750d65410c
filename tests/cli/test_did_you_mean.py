# SPDX-License-Identifier: Apache-2.0
"""A name that is misspelt is answered with those that are near it, wherever it is looked up."""
import openeie
import pytest
from openeie.core.errors import InputError, did_you_mean, must_be_one_of
from support.commands import run, run_json

LENET = "lenet-300-100"
LAYER = ("--layer", "a:3x3:1:1")


@pytest.mark.parametrize(("words", "near"), [
    (("sim", LENET, "--set", "queue=4"), "did you mean queue_depth? the keys are"),
    (("sim", LENET, "--set", "depth=4"), "did you mean act_depth or acc_depth or "),
    (("sim", LENET, "--set", "encodng=csr"), "did you mean encodings?"),     # nor: an integer
    (("sim", LENET, "--set", "encodings=csr,codebok"), "did you mean codebook?"),
    (("sim", LENET, "-c", "eie46"), "did you mean EIE64 or "),
    (("sim", LENET, "-e", "fsat"), "must be one of golden, fast, rtl, not 'fsat'; did you mean "
                                   "fast?"),
    (("report", LENET, "-e", "rlt"), "did you mean rtl?"),
    (("verify", LENET, "--engines", "golden,fsat"), "did you mean fast?"),
    (("sim", LENET, "--encoding", "hufman"), "did you mean huffman?"),
    (("inspect", "lenet5"), "did you mean lenet-5? there are"),
    (("zoo", "squeezenet"), "did you mean squeezenet-dc?"),
    (("build", "-b", "icebraker"), "did you mean icebreaker? the boards are"),
    (("bench", "eie", "--layer", "Alex7"), "did you mean Alex-7 or"),
    (("bench", "compression", "--figure", "wieghts"), "did you mean weights?"),
    (("sweep", "--grid", "pse=1", *LAYER), "did you mean pes?"),
    (("sweep", "--grid", "encoding=csr", *LAYER), "did you mean encodings?"),
    (("sweep", "--grid", "pes=1", "-c", "EIE46", *LAYER), "did you mean EIE64"),
    (("simm", LENET), "Did you mean 'sim'?"),
    (("sim", LENET, "--imagse", "3"), "--images"),
])
def test_on_the_command_line(words, near):
    done = run(*words, code=2)
    assert near in " ".join(done.stderr.split()) and not done.stdout
    assert near in run_json(*words, code=2)["error"]["message"]


def test_of_a_file(tmp_path):
    (tmp_path / "a.toml").write_text("queue_dept = 3\n")
    assert "did you mean queue_depth?" in run("sim", LENET, "-c", tmp_path / "a.toml",
                                              code=2).stderr
    (tmp_path / "s.toml").write_text("netwroks = ['lenet-5']\n")
    assert "did you mean networks?" in run("sweep", tmp_path / "s.toml", code=2).stderr


def test_in_the_library():
    with pytest.raises(InputError, match="did you mean golden?"):
        openeie.simulate(openeie.load(openeie.shipped(LENET)), [[0] * 784], engine="gold")


def test_nothing_near_and_what_is_no_name():
    assert did_you_mean("vgg", ["lenet-5"]) == "" == did_you_mean(None, ["fast"])
    assert must_be_one_of(3, ("csr", "codebook")) == "must be one of csr, codebook, not 3"
