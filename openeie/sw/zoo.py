# SPDX-License-Identifier: Apache-2.0
"""The networks known by name: where they come from, how small, how accurate and how fast."""
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.artefact.artefact import load
from ..core.artefact.inspect import Contents
from ..core.errors import InputError, did_you_mean
from ..core.host.extras import missing
from ..core.network.graph import Network
from ..core.run import Run
from .data.imagenet import CLASSES, MAP_RANGE, SIDE, ImageNetImages, caffe_maps, load_images
from .data.mnist import demo_images
from .networks.shipped import shipped

if TYPE_CHECKING:           # squeezenet-dc alone needs torch, and imports it when it is asked for
    from .float.graph import FloatGraph

__all__ = ["ZOO", "ZooEntry", "Score", "ZooSubject", "ZooReport", "entry", "shipped_subject",
           "squeezenet_subject", "import_squeezenet", "report"]

_IMAGES = 100               # images that are run by default
_TEST_IMAGES = 10_000       # of MNIST, on which the errors in the shipped files were measured
_CALIBRATION = 10           # images that set SqueezeNet's scales: the last ones


@dataclass(frozen=True, kw_only=True)
class ZooEntry:
    """A network of the zoo.

    Attributes
    ----------
    name : of the network, as the command line takes it.
    origin : where its weights come from.
    needs : what a user must bring, and how; "" for networks that come with the package.
    """
    name: str
    origin: str
    needs: str = ""


ZOO = {one.name: one for one in (
    ZooEntry(name="lenet-300-100", origin="trained and compressed here on MNIST"),
    ZooEntry(name="lenet-5", origin="trained and compressed here on MNIST"),
    ZooEntry(name="squeezenet-dc", origin="Song Han's released compressed SqueezeNet v1.0",
             needs="it does not come with the package: get compressed_SqueezeNet.net and its "
                   "SqueezeNet_deploy.prototxt from Song Han's repository "
                   "github.com/songhan/SqueezeNet-Deep-Compression, and bring images as an .npz "
                   "with 'images' uint8 [n, 227, 227, 3] RGB and, if known, 'labels' and "
                   "'float_logits'; then: openeie zoo squeezenet-dc --net F.net --prototxt "
                   "F.prototxt --pictures P.npz -o squeezenet-dc.eie"))}


def entry(name: str) -> ZooEntry:
    """The network called ``name``.

    Raises
    ------
    InputError : unknown name; the message lists the known ones.
    """
    if name not in ZOO:
        raise InputError(f"the zoo has no network {name!r}; {did_you_mean(name, ZOO)}it has: "
                         f"{', '.join(ZOO)}")
    return ZOO[name]


@dataclass(frozen=True, kw_only=True)
class Score:
    """Error of a network and of its float network on the same images.

    Attributes
    ----------
    pictures : number of images.
    error, float_error : share of misclassified images, of the network and of its float network;
        None without labels.
    agreement : share of images on which both give the same answer; None where the float network's
        answers are not known.
    """
    pictures: int
    error: float | None
    float_error: float | None
    agreement: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class ZooSubject:
    """A network and the images to run it on.

    Attributes
    ----------
    x : its inputs, integers [batch, n].
    labels : [batch], or None.
    stated : the score in the network's file, on all its test images; None if the file has none.
    float_answers : classes that the float network answers to x, [batch]; None if ``stated``.
    """
    entry: ZooEntry
    network: Network
    x: np.ndarray
    labels: np.ndarray | None
    stated: Score | None = None
    float_answers: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class ZooReport:
    """Measurements of one network.

    Attributes
    ----------
    file_bytes, float_bytes : size on disk, and size of its weights and biases as float32.
    score : on all its test images; where the file states none, on the images of this run.
    pictures, pes, run_width : number of images of this run, and the array's PEs and bits of a run.
    run_error : share of these images that the array misclassified; None without labels.
    cycles : per image, the mean; one image a start, so it is the latency.
    utilisation : useful entries / (PEs x cycles).
    """
    name: str
    origin: str
    file_bytes: int
    float_bytes: int
    score: Score
    pictures: int
    pes: int
    run_width: int
    run_error: float | None
    cycles: float
    utilisation: float

    @property
    def factor(self) -> float:
        """How many times smaller the file is than the float32 network."""
        return self.float_bytes / self.file_bytes

    def to_dict(self) -> dict:
        """Plain values, ``factor`` included."""
        return asdict(self) | {"factor": self.factor}


def shipped_subject(name: str, images: int | None = None) -> ZooSubject:
    """A network that comes with the package, and the first ``images`` of the demo's (100).

    Raises
    ------
    InputError : no such network in the package, or fewer images than asked for.
    ToolError : see :func:`~openeie.sw.data.mnist.demo_images`.
    """
    one = entry(name)
    if one.needs:
        raise InputError(f"{name}: {one.needs}")
    network = load(shipped(name))
    x, labels = demo_images()
    images = _count(images, len(x), "the demo's images of MNIST")
    stated = Score(pictures=_TEST_IMAGES, error=network.provenance["integer_error"],
                   float_error=network.provenance["float_error"])
    return ZooSubject(entry=one, network=network, x=x[:images], labels=labels[:images],
                      stated=stated)


def squeezenet_subject(net: Path, prototxt: Path, file: Path,
                       images: int | None = None) -> ZooSubject:
    """SqueezeNet, imported, and the first ``images`` of a file (100, or all if there are fewer).

    Parameters
    ----------
    net, prototxt : the files that Song Han released.
    file : an ``.npz`` of images, see :func:`~openeie.sw.data.imagenet.load_images`. Its last ten
        set the scales of the activations. If it has no float outputs, torch computes them.

    Raises
    ------
    InputError : a file is damaged or of another kind, or has fewer images than asked for.
    ToolError : torch is not installed.
    """
    given = load_images(file)
    images = _count(images, len(given.images), f"the images in {file}")
    network, graph = import_squeezenet(net, prototxt, given)
    maps = caffe_maps(given.images[:images])
    logits = given.float_logits
    if logits is None:
        from .float.run import run_float
        logits = run_float(graph, _channels_first(maps))
    labels = None if given.labels is None else given.labels[:images]
    return ZooSubject(entry=entry("squeezenet-dc"), network=network, x=maps.reshape(images, -1),
                      labels=labels,
                      float_answers=logits[:images].reshape(images, -1).argmax(axis=1))


def import_squeezenet(net: Path, prototxt: Path,
                      images: ImageNetImages) -> tuple[Network, "FloatGraph"]:
    """SqueezeNet as an integer network, Huffman coded, and its float graph.

    Parameters
    ----------
    images : the last ten of them set the scales of the activations.

    Raises
    ------
    InputError : a file is damaged, or describes another network.
    ToolError : torch is not installed.
    """
    try:
        from .importers.caffe.han import load_han
        from .quantise.quantise import quantise_graph
    except ModuleNotFoundError as error:
        raise missing(error.name, "train", "the choice of scales") from error
    graph = load_han(net, prototxt)
    reads = graph.shapes[graph.input.name]
    writes = graph.shapes[graph.output]
    if reads != (3, SIDE, SIDE) or int(np.prod(writes)) != CLASSES:
        raise InputError(f"{prototxt} must describe SqueezeNet, which turns (3, {SIDE}, {SIDE}) "
                         f"into {CLASSES} classes, not {reads} into {writes}")
    graph = replace(graph, name="squeezenet-dc",
                    provenance=graph.provenance | {"origin": ZOO["squeezenet-dc"].origin})
    maps = caffe_maps(images.images[-_CALIBRATION:])
    network = quantise_graph(graph, _channels_first(maps), input_range=MAP_RANGE,
                             encoding="huffman")
    return network, graph


def _count(images: int | None, available: int, what: str) -> int:
    """How many images to run."""
    if images is None:
        return min(_IMAGES, available)
    if not 1 <= images <= available:
        raise InputError(f"images must be in 1 .. {available}, {what}, not {images}")
    return images


def _channels_first(maps: np.ndarray) -> np.ndarray:
    """Maps [n, height, width, channels] as torch takes them, float32."""
    return maps.transpose(0, 3, 1, 2).astype(np.float32)


def _error(answers: np.ndarray, labels: np.ndarray | None) -> float | None:
    return None if labels is None else float(np.mean(answers != labels))


def report(subject: ZooSubject, contents: Contents, run: Run) -> ZooReport:
    """Size, error and speed of a network.

    Parameters
    ----------
    contents : what its file holds.
    run : a run of the subject's inputs on an engine that counts cycles.
    """
    answers = run.outputs.argmax(axis=1)
    error = _error(answers, subject.labels)
    score = subject.stated
    if score is None:
        score = Score(pictures=len(answers), error=error,
                      float_error=_error(subject.float_answers, subject.labels),
                      agreement=float(np.mean(answers == subject.float_answers)))
    busy = sum(layer.total("busy") for layer in run.tiles)
    return ZooReport(name=subject.entry.name, origin=subject.entry.origin,
                     file_bytes=contents.file_bytes, float_bytes=contents.float_bytes, score=score,
                     pictures=len(answers), pes=run.config.pes,
                     run_width=run.config.run_width, run_error=error,
                     cycles=float(run.cycles.mean()),
                     utilisation=busy / (run.config.pes * int(run.cycles.sum())))
