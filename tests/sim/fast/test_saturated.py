# SPDX-License-Identifier: Apache-2.0
"""Every engine counts the same saturated outputs, and runs warn of them."""
import json

import numpy as np
import openeie
import pytest
from openeie.core import golden
from openeie.core.array.config import preset
from openeie.core.compile.compile import compile_network
from openeie.core.network.graph import Conv, Linear, Network
from openeie.core.network.window import Window
from openeie.core.numbers.sparse import SparseWeights
from openeie.core.run import SATURATED_SHARE
from openeie.sim.engines import simulate
from openeie.sim.fast import fast
from openeie.sim.verify import verify
from support.commands import run as call

LOW, HIGH = -(1 << 15), (1 << 15) - 1


def linear(weights, *, relu=False):
    """A layer that multiplies by ``weights`` and does nothing else."""
    weights = np.array(weights)
    return Network(name="net", input_range=(LOW, HIGH), layers=(Linear(
        name="fc", weights=SparseWeights.from_dense(weights), encoding="csr", relu=relu,
        bias=np.zeros(len(weights), int), multiplier=np.ones(len(weights), int),
        shift=np.zeros(len(weights), int)),))


def test_worked_example():
    """Four outputs on two PEs: PE 0 has outputs 0 and 2, PE 1 has 1 and 3."""
    network = linear([[1], [2], [3], [-4]])
    program = compile_network(network, preset("TINY").replace(pes=2))
    x = np.array([[10_000], [12_000], [20_000], [-8_192], [-8_193]])
    # 12,000: 3x is beyond 32,767 and -4x beyond -32,768; 20,000: 2x, too; -8,192: 4x = 32,768.
    wanted = [[0, 1], [1, 1], [1, 2], [0, 1], [0, 1]]
    for engine in ("fast", "rtl"):
        assert simulate(program, x, engine).layers[0].saturated.tolist() == wanted, engine
    assert simulate(program, x, "golden").layers[0].saturated.tolist() == [[1], [2], [3], [1], [1]]


def test_what_a_relu_makes_zero_has_lost_nothing():
    program = compile_network(linear([[4]], relu=True), preset("TINY"))
    run = simulate(program, np.array([[-30_000], [30_000]]), "golden")
    assert run.outputs.tolist() == [[0], [HIGH]]
    assert run.tiles[0].saturated.tolist() == [[0], [1]]
    verify(program, np.array([[-30_000], [30_000]]))


def test_a_last_start_that_is_not_full():
    """Golden takes a batch that is no multiple of the inputs per launch."""
    program = compile_network(linear([[4]]), preset("TINY"), vectors=3)
    run = simulate(program, np.full((4, 1), 30_000), "golden")
    assert run.tiles[0].saturated.tolist() == [[3], [1]]


def conv_network(channels, height):
    """A 3 x 3 convolution whose sums often leave the range."""
    rng = np.random.default_rng(3)
    window = Window(height=height, width=9, channels=2, kernel=(3, 3), pad=(1, 1, 1, 1))
    weights = rng.integers(-3, 4, (channels, 18))
    layer = Conv(name="conv", window=window, weights=SparseWeights.from_dense(weights),
                 encoding="csr", relu=False, bias=np.zeros(channels, int),
                 multiplier=np.ones(channels, int), shift=np.full(channels, 1))
    return Network(name="net", layers=(layer,), input_range=(LOW, HIGH))


@pytest.mark.parametrize("changes", [
    {}, {"clusters": 2}, {"acc_depth": 2},
], ids=["whole", "in clusters", "in tiles"])
def test_maps(changes, rng):
    network = conv_network(12, 12)
    program = compile_network(network, preset("NET16").replace(pes=4, **changes), vectors=2)
    assert (len(program.tiles) > 1) == ("acc_depth" in changes)
    x = rng.integers(LOW, HIGH + 1, (4, network.inputs))
    run = fast.run(program, x)
    merged, = run.layers
    outputs = golden.run(network, x)
    assert 0 < outputs.tiles[0].saturated.sum() == merged.saturated.sum() < outputs.outputs.size
    assert merged.saturated.shape == (2, 4)
    run.compare(simulate(program, x, "golden"))


def saturating(share, count=10_000):
    """A network and inputs of which ``share`` saturate."""
    x = np.zeros((count, 1), int)
    x[:round(share * count)] = 30_000
    return linear([[4]]), x


def test_more_than_the_documented_share_is_told():
    network, x = saturating(2 * SATURATED_SHARE)
    with pytest.warns(openeie.NumericWarning, match=r"layer fc: 2 of 10,000 outputs \(0.02%\)"):
        run = openeie.simulate(network, x, config="TINY")
    assert len(run.warnings) == 1


def test_as_much_as_the_documented_share_is_not():
    network, x = saturating(SATURATED_SHARE)
    assert openeie.simulate(network, x, config="TINY").warnings == ()      # warnings are errors


@pytest.mark.parametrize("verb", ["sim", "report"])
def test_verbs_show_it(tmp_path, verb):
    network, x = saturating(0.01, 1_000)
    openeie.save(network, tmp_path / "net.eie")
    np.save(tmp_path / "x.npy", x)
    page = ["-o", tmp_path / "page.html"] if verb == "report" else []
    done = call(verb, tmp_path / "net.eie", "--input", tmp_path / "x.npy", "-c", "TINY", "--json",
                *page)
    result = json.loads(done.stdout)
    assert "layer fc: 10 of 1,000 outputs (1.00%) saturated" in result["warnings"][0]
    assert f"warning: {result['warnings'][0]}" in done.stderr
    if verb == "sim":
        assert result["layers"][0]["saturated"] == 10
        assert result["layers"][0]["saturated_share"] == 0.01
    else:
        assert result["runs"][0]["summary"]["layers"][0]["saturated"] == 10
        assert "1.000%" in (tmp_path / "page.html").read_text()
