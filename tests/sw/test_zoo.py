# SPDX-License-Identifier: Apache-2.0
"""The zoo: what it says of its networks is what they do; images that are none are refused."""
from pathlib import Path

import numpy as np
import openeie
import pytest
from openeie.core.array.config import preset
from openeie.core.errors import InputError
from openeie.core.network.layers import Weighted
from openeie.sim.fast import fast
from openeie.sw import zoo
from openeie.sw.data.imagenet import MAP_RANGE, caffe_maps, load_images
from openeie.sw.data.mnist import demo_images

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NET, PROTOTXT = DATA / "compressed_SqueezeNet.net", DATA / "SqueezeNet_deploy.prototxt"
SAMPLE = DATA / "imagenet" / "sample100.npz"
needs_squeezenet = pytest.mark.skipif(not (NET.is_file() and SAMPLE.is_file()),
                                      reason=f"{NET} or {SAMPLE} is not here")


@pytest.mark.parametrize("name", [one.name for one in zoo.ZOO.values() if not one.needs])
def test_a_report_is_what_the_network_does(name):
    array = preset("NET16")
    path = openeie.shipped(name)
    subject = zoo.shipped_subject(name, 20)
    x, labels = demo_images()
    assert np.array_equal(subject.x, x[:20])
    run = openeie.simulate(path, x[:20], config=array)
    report = zoo.report(subject, openeie.inspect(path), run)
    assert report.cycles == run.cycles.mean() and report.pes == 16
    assert report.utilisation == sum(layer.total("busy") for layer in run.tiles) \
        / (16 * run.cycles.sum())
    assert report.run_error == np.mean(run.outputs.argmax(1) != labels[:20])
    assert report.file_bytes == path.stat().st_size and report.factor > 39
    made = openeie.load(path).provenance
    assert report.score == zoo.Score(pictures=10_000, error=made["integer_error"],
                                     float_error=made["float_error"])
    assert report.to_dict()["factor"] == report.factor


def test_what_is_not_there_is_refused():
    with pytest.raises(InputError, match="the zoo has no network 'vgg'; it has: lenet-300-100, "):
        zoo.entry("vgg")
    with pytest.raises(InputError, match="images must be in 1 .. 5000, the demo's"):
        zoo.shipped_subject("lenet-300-100", 0)
    with pytest.raises(InputError, match="squeezenet-dc: it does not come with the package: get"):
        zoo.shipped_subject("squeezenet-dc")


def images(count=2, **changes):
    rng = np.random.default_rng(1)
    arrays = {"images": rng.integers(0, 256, (count, 227, 227, 3), dtype=np.uint8)} | changes
    return {name: array for name, array in arrays.items() if array is not None}


def test_preprocessing_is_caffes(tmp_path):
    arrays = images(labels=np.array([3, 999]))
    arrays["images"][0, 0, 0] = 255, 0, 0       # red
    np.savez(tmp_path / "p.npz", **arrays)
    given = load_images(tmp_path / "p.npz")
    maps = caffe_maps(given.images)
    assert maps[0, 0, 0].tolist() == [-104, -117, 255 - 123]
    assert MAP_RANGE == (-123, 151)
    assert given.labels.tolist() == [3, 999] and given.float_logits is None


@pytest.mark.parametrize(("changes", "message"), [
    ({"images": None, "labels": np.zeros(2, int)}, "has no array 'images'; it has: labels"),
    ({"images": np.zeros((2, 224, 224, 3), np.uint8)},
     "'images' must be uint8 [2, 227, 227, 3], not uint8 [2, 224, 224, 3]"),
    ({"images": np.zeros((0, 227, 227, 3), np.uint8)},
     "'images' must be uint8 [1, 227, 227, 3], not uint8 [0, 227, 227, 3]"),
    ({"images": np.zeros((2, 227, 227, 3), np.float32)}, "must be uint8 [2, 227, 227, 3], not f"),
    ({"images": np.array(7, np.uint8)}, "must be uint8 [1, 227, 227, 3], not uint8 []"),
    ({"labels": np.zeros(3, int)}, "'labels' must be integer [2], not int64 [3]"),
    ({"labels": np.zeros(2)}, "'labels' must be integer [2], not float64 [2]"),
    ({"labels": np.array([0, 1000])}, "labels must be in 0 .. 999, not 0 .. 1000"),
    ({"float_logits": np.zeros((2, 10), "f4")}, "must be float [2, 1000], not float32 [2, 10]"),
    ({"float_logits": np.full((2, 1000), np.nan)}, "float_logits must be finite numbers"),
    ({"images": np.array([None])}, "cannot read images from"),
])
def test_pictures_that_are_none_are_refused(tmp_path, changes, message):
    np.savez(tmp_path / "p.npz", **images(**changes))
    with pytest.raises(InputError) as raised:
        load_images(tmp_path / "p.npz")
    assert message in str(raised.value)


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read images from .*p.npz: .*No such file"):
        load_images(tmp_path / "p.npz")
    np.save(tmp_path / "p.npy", np.zeros(3))
    with pytest.raises(InputError, match="must be an .npz with an array 'images', not one array"):
        load_images(tmp_path / "p.npy")
    np.savez(tmp_path / "p.npz", **images())
    (tmp_path / "p.npz").write_bytes((tmp_path / "p.npz").read_bytes()[:90_000])
    with pytest.raises(InputError, match="cannot read images from"):
        load_images(tmp_path / "p.npz")


@pytest.mark.slow
@needs_squeezenet
def test_squeezenet_is_imported_and_compared_with_its_float_network(tmp_path):
    with np.load(SAMPLE) as sample:
        arrays = {name: sample[name][:3] for name in ("images", "labels", "float_logits")}
    np.savez(tmp_path / "p.npz", **arrays)
    subject = zoo.squeezenet_subject(NET, PROTOTXT, tmp_path / "p.npz", 1)
    openeie.save(subject.network, tmp_path / "s.eie")
    contents = openeie.inspect(tmp_path / "s.eie")
    assert contents.file_bytes < NET.stat().st_size
    network, array = openeie.load(tmp_path / "s.eie"), preset("NET16")
    assert {layer.encoding for layer in network.layers if isinstance(layer, Weighted)} \
        == {"huffman"}
    x = caffe_maps(arrays["images"][:1]).reshape(1, -1)
    run = fast.run(openeie.compile(network, array), x)
    answer, wanted = int(run.outputs[0].argmax()), int(arrays["float_logits"][0].argmax())
    assert answer == wanted
    score = zoo.report(subject, contents, run).score
    wrong = float(answer != arrays["labels"][0])
    assert score == zoo.Score(pictures=1, error=wrong, float_error=wrong, agreement=1.0)
    # Another float network's answers are seen; without labels there is no error.
    arrays["float_logits"] = np.roll(arrays["float_logits"], 1, axis=1)
    del arrays["labels"]
    np.savez(tmp_path / "p.npz", **arrays)
    other = zoo.squeezenet_subject(NET, PROTOTXT, tmp_path / "p.npz", 1)
    assert zoo.report(other, contents, run).score \
        == zoo.Score(pictures=1, error=None, float_error=None, agreement=0.0)
    # Where there are no float outputs, torch computes them.
    del arrays["float_logits"]
    np.savez(tmp_path / "p.npz", **arrays)
    computed = zoo.squeezenet_subject(NET, PROTOTXT, tmp_path / "p.npz", 1)
    assert computed.float_answers.tolist() == [wanted]


@needs_squeezenet
def test_a_network_that_is_not_squeezenet_is_refused(tmp_path):
    np.savez(tmp_path / "p.npz", **images())
    text = PROTOTXT.read_text().replace("dim: 227", "dim: 231")
    (tmp_path / "other.prototxt").write_text(text)
    with pytest.raises(InputError, match="must describe SqueezeNet"):
        zoo.squeezenet_subject(NET, tmp_path / "other.prototxt", tmp_path / "p.npz")
    with pytest.raises(InputError, match="images must be in 1 .. 2, the images in .*, not 3"):
        zoo.squeezenet_subject(NET, PROTOTXT, tmp_path / "p.npz", 3)
