# SPDX-License-Identifier: Apache-2.0
"""The networks that are known by name: where they come from, how small, how good, how fast."""
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from .. import shipped
from ..core.artefact import load, save
from ..core.compile import compile_network
from ..core.config import ArrayConfig
from ..core.errors import InputError, ToolError
from ..core.inspect import Contents, inspect
from ..core.run import Run
from ..sim import fast
from .data import shipped_test_set
from .pictures import CLASSES, MAP_RANGE, SIDE, Pictures, caffe_maps, load_pictures

__all__ = ["ZOO", "Entry", "Score", "Report", "entry", "report_shipped", "report_squeezenet",
           "import_squeezenet"]

_IMAGES = 100               # pictures that are run, unless told otherwise
_CALIBRATION = 10           # pictures that choose SqueezeNet's scales: the last ones


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A network of the zoo.

    Attributes
    ----------
    name, origin : what it is called, and where its weights come from.
    needs : what a user must bring and how; empty for networks that come with the package.
    """
    name: str
    origin: str
    needs: str = ""


ZOO = {one.name: one for one in (
    Entry(name="lenet-300-100", origin="trained and compressed here on MNIST"),
    Entry(name="lenet-5", origin="Caffe's float weights, compressed here on MNIST"),
    Entry(name="squeezenet-dc", origin="Song Han's released compressed SqueezeNet v1.0",
          needs="it does not come with the package: get compressed_SqueezeNet.net and its "
                "SqueezeNet_deploy.prototxt from Song Han's repository "
                "github.com/songhan/SqueezeNet-Deep-Compression, and bring pictures as an .npz "
                "with 'images' uint8 [n, 227, 227, 3] RGB and, if known, 'labels' and "
                "'float_logits'; then: openeie zoo squeezenet-dc --net F.net --prototxt "
                "F.prototxt --pictures P.npz -o squeezenet-dc.eie"))}


def entry(name: str) -> Entry:
    """The network called ``name``; an unknown name is refused with the list of names."""
    if name not in ZOO:
        raise InputError(f"the zoo has no network {name!r}; it has: {', '.join(ZOO)}")
    return ZOO[name]


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a network gets wrong, beside its float network on the same pictures.

    Attributes
    ----------
    pictures : so many.
    error, float_error : share whose largest output is not the labelled one; None without labels.
    agreement : share on which both have the same answer; None where the float network's answers
        are not known.
    """
    pictures: int
    error: float | None
    float_error: float | None
    agreement: float | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """One network, measured.

    Attributes
    ----------
    file_bytes, float_bytes : on disk, and of its weights and biases as float32.
    score : on all its test pictures.
    pictures, pes : those that were run now, and the array they ran on.
    run_error : share of them that the array got wrong; None without labels.
    cycles : of one picture, the mean.
    utilisation : useful entries / (PEs x cycles).
    """
    name: str
    origin: str
    file_bytes: int
    float_bytes: int
    score: Score
    pictures: int
    pes: int
    run_error: float | None
    cycles: float
    utilisation: float

    @property
    def factor(self) -> float:
        """How many times smaller the file is than the float32 network."""
        return self.float_bytes / self.file_bytes

    def to_dict(self) -> dict:
        """Plain values, the rate included."""
        return asdict(self) | {"factor": self.factor}


def report_shipped(name: str, config: ArrayConfig, *, images: int | None = None,
                    jobs: int = 1) -> Report:
    """A network that comes with the package, its first test pictures (100) run on ``fast``.

    The score is the one in the file's provenance, on all test pictures.

    Raises
    ------
    InputError : it is none of them, or there are not so many pictures.
    CapacityError : it does not fit the array.
    """
    one = entry(name)
    if one.needs:
        raise InputError(f"{name}: {one.needs}")
    path = shipped(name)
    contents, (x, labels) = inspect(path), shipped_test_set()
    images = _count(images, len(x), "MNIST's test pictures")
    made = contents.provenance
    score = Score(pictures=len(x), error=made["integer_error"], float_error=made["float_error"])
    run = fast.run(compile_network(load(path), config), x[:images], jobs=jobs)
    return _report(one, contents, run, labels[:images], score)


def report_squeezenet(net: Path, prototxt: Path, pictures: Path, out: Path, config: ArrayConfig, *,
                      images: int | None = None, jobs: int = 1) -> Report:
    """Import SqueezeNet, write its artefact to ``out``, and run the first ``images`` pictures
    (100, or all that there are).

    Parameters
    ----------
    net, prototxt : as Song Han released them.
    pictures : an ``.npz``, see :func:`~openeie.sw.pictures.load_pictures`; the last ten choose the
        scales of the activations. Where it has no float outputs, torch computes them.

    Raises
    ------
    InputError, CapacityError : a file that is not what it should be; more pictures than there
        are; an array too small.
    ToolError : torch is not installed.
    """
    given = load_pictures(pictures)
    images = _count(images, len(given.images), f"the pictures in {pictures}")
    network, graph = import_squeezenet(net, prototxt, given)
    program = compile_network(network, config)
    save(network, out)
    maps = caffe_maps(given.images[:images])
    logits = given.float_logits
    if logits is None:
        from .float_run import run_float
        logits = run_float(graph, _channels_first(maps))
    run = fast.run(program, maps.reshape(len(maps), -1), jobs=jobs)
    labels = None if given.labels is None else given.labels[:images]
    answers, wanted = run.outputs.argmax(axis=1), \
        logits[:images].reshape(images, -1).argmax(axis=1)
    score = Score(pictures=images, error=_error(answers, labels),
                  float_error=_error(wanted, labels), agreement=float(np.mean(answers == wanted)))
    return _report(entry("squeezenet-dc"), inspect(out), run, labels, score)


def import_squeezenet(net: Path, prototxt: Path, pictures: Pictures):
    """SqueezeNet as an integer network, Huffman coded, and its float graph.

    Raises
    ------
    InputError : a file that is not what it should be, or not SqueezeNet.
    ToolError : torch is not installed.
    """
    try:
        from .importers.han import load_han
        from .quantise_graph import quantise_graph
    except ModuleNotFoundError as missing:
        raise ToolError(f"{missing.name} is missing, and scales are chosen with it: "
                        f"pip install 'openeie[train]'") from missing
    graph = load_han(net, prototxt)
    shapes = graph.shapes[graph.input.name], graph.shapes[graph.output]
    if shapes[0] != (3, SIDE, SIDE) or int(np.prod(shapes[1])) != CLASSES:
        raise InputError(f"{prototxt} must describe SqueezeNet, which turns (3, {SIDE}, {SIDE}) "
                         f"into {CLASSES} classes, not {shapes[0]} into {shapes[1]}")
    graph = replace(graph, name="squeezenet-dc",
                    provenance=graph.provenance | {"origin": ZOO["squeezenet-dc"].origin})
    maps = caffe_maps(pictures.images[-_CALIBRATION:])
    return quantise_graph(graph, _channels_first(maps), input_range=MAP_RANGE,
                          encoding="huffman"), graph


def _count(images: int | None, available: int, what: str) -> int:
    if images is None:
        return min(_IMAGES, available)
    if not 1 <= images <= available:
        raise InputError(f"images must be in 1 .. {available}, {what}, not {images}")
    return images


def _channels_first(maps: np.ndarray) -> np.ndarray:
    return maps.transpose(0, 3, 1, 2).astype(np.float32)


def _error(answers: np.ndarray, labels: np.ndarray | None) -> float | None:
    return None if labels is None else float(np.mean(answers != labels))


def _report(one: Entry, contents: Contents, run: Run, labels: np.ndarray | None,
            score: Score) -> Report:
    busy = sum(layer.total("busy") for layer in run.layers)
    return Report(name=one.name, origin=one.origin, file_bytes=contents.file_bytes,
                  float_bytes=contents.float_bytes, score=score, pictures=len(run.outputs),
                  pes=run.config.pes, run_error=_error(run.outputs.argmax(axis=1), labels),
                  cycles=float(run.cycles.mean()),
                  utilisation=busy / (run.config.pes * int(run.cycles.sum())))
