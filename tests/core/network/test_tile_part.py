# SPDX-License-Identifier: Apache-2.0
"""Parts of a layer's outputs: cut out, put together again, and what a run makes of them."""
import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.core.array.counters import COUNTERS
from openeie.core.errors import Mismatch
from openeie.core.network.tile_part import Part, joined
from openeie.core.run import LayerRun, Run

SHAPE = (2, 5, 3, 7)        # inputs of a launch, lines, width, channels


def boxes():
    """A layer input by input, in two bands of two slices each."""
    ranges = [(range(v, v + 1), lines, channels) for v in range(2)
              for lines in (range(2), range(2, 5)) for channels in (range(4), range(4, 7))]
    return [Part(layer=0, number=number, count=len(ranges), shape=SHAPE, vectors=vectors,
                 lines=lines, channels=channels)
            for number, (vectors, lines, channels) in enumerate(ranges)]


def run_of(x, engine="golden"):
    """A run of one start for each two inputs x."""
    return Run(engine=engine, config=preset("TINY"), tiles=tuple(
        LayerRun(name=part.label("conv"), part=part, outputs=part.cut(x),
                 cycles=np.array([10, 20, 30]),
                 counters=np.ones((3, 4, len(COUNTERS)), int)) for part in boxes()))


def test_cut_and_joined(rng):
    x = rng.integers(-9, 10, (6, 5 * 3 * 7))
    cut = [(part, part.cut(x)) for part in boxes()]
    maps = x.reshape(3, *SHAPE)
    for part, outputs in cut:
        assert outputs.shape == (3, part.size)
        lines, channels = slice(part.lines.start, part.lines.stop), list(part.channels)
        assert np.array_equal(outputs.reshape(3, len(part.lines), 3, len(channels)),
                              maps[:, part.vectors[0], lines][..., channels])
    assert np.array_equal(joined(cut), x)
    assert np.array_equal(joined(reversed(cut)), x)
    assert not np.array_equal(joined(cut[1:]), x)


def test_a_part_of_all_inputs_takes_any_batch(rng):
    x = rng.integers(-9, 10, (5, 5 * 3 * 7))
    part = Part(layer=0, shape=SHAPE, vectors=range(2), lines=range(5), channels=range(4, 7))
    assert part.is_untiled and part.label("conv") == "conv"
    assert np.array_equal(part.cut(x), x.reshape(5, 15, 7)[..., 4:].reshape(5, -1))


def test_a_run_of_tiles(rng):
    x = rng.integers(-9, 10, (6, 5 * 3 * 7))
    run = run_of(x)
    assert np.array_equal(run.outputs, x)
    assert [layer.name for layer in run.tiles[:2]] == ["conv [1/8]", "conv [2/8]"]
    (whole,) = run.layers
    assert whole.name == "conv" and np.array_equal(whole.outputs, x)
    assert whole.cycles.tolist() == [80, 160, 240] == run.cycles.tolist()
    assert whole.total("busy") == 8 * 3 * 4


def test_a_wrong_tile_is_named(rng):
    x = rng.integers(-9, 10, (6, 5 * 3 * 7))
    wrong = x.copy()
    wrong.reshape(3, *SHAPE)[2, 1, 3, 0, 5] += 1        # the third start's second input
    with pytest.raises(Mismatch, match=r"layer conv \[8/8\], input 5, output 10 = .*, cycle 30"):
        run_of(x).compare(run_of(wrong, "fast"))


def test_outputs_that_two_tiles_compute_count_twice(rng):
    """Lines 1 and 2 of four are in both bands, and so are their saturated outputs."""
    shape = (1, 4, 3, 2)
    parts = [Part(layer=0, number=number, count=2, shape=shape, vectors=range(1), lines=lines,
                  channels=range(2)) for number, lines in enumerate((range(3), range(1, 4)))]
    x = rng.integers(-9, 10, (1, 24))
    run = Run(engine="golden", config=None, tiles=tuple(
        LayerRun(name=part.label("conv"), part=part, outputs=part.cut(x),
                 saturated=np.array([[9]])) for part in parts))
    layer, = run.layers
    assert layer.outputs.size == 24 and layer.computed == 36 and layer.saturated_share == 0.5
    assert "18 of 36 outputs (50.00%) saturated" in run.warnings[0]
