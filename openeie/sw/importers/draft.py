# SPDX-License-Identifier: Apache-2.0
"""A float graph in the making, from a foreign format's operators: what cannot be taken is kept
until the end and told at once."""
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...core.errors import InputError
from ..float.graph import FloatGraph, Node, shape_of

__all__ = ["Place", "Draft"]

#: Operators that a draft holds beside those of a graph: until they are folded or dropped, or
#: because they were refused.
_AFFINE, _SOFTMAX, _REFUSED = "affine", "softmax", "refused"

#: What to write instead of an operator, by a part of its name in lower case.
_NEAREST = {
    "conv": "a two-dimensional convolution, not transposed",
    "relu": "a plain ReLU", "gelu": "a ReLU", "silu": "a ReLU", "swish": "a ReLU",
    "sigmoid": "a ReLU", "tanh": "a ReLU", "elu": "a ReLU", "hardtanh": "a ReLU", "clip": "a ReLU",
    "mul": "batch normalisation behind a layer; input_scale, for an input",
    "div": "batch normalisation behind a layer; input_scale, for an input",
    "sub": "batch normalisation behind a layer; integers with their mean taken off, for an input",
    "split": "one layer for each part", "chunk": "one layer for each part",
    "slice": "one layer for each part", "gather": "one layer for each part",
    "transpose": "maps as they are: channels, height, width",
    "permute": "maps as they are: channels, height, width",
    "dropout": "dropout that is off when the module is in eval mode",
    "norm": "batch normalisation in eval mode", "lrn": "batch normalisation in eval mode",
    "pad": "padding of the convolution or pool behind it",
    "pool": "a largest, average or global average pool in two dimensions",
    "cond": "one path", "while": "one path, unrolled", "if": "one path",
    "loop": "one path, unrolled", "scan": "one path, unrolled",
    "linear": "float weights, before any quantisation",
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the foreign graph something stands.

    Attributes
    ----------
    tensor : name of the tensor it makes; unique.
    name, operator : what the node and its operator are called there, for messages.
    """
    tensor: str
    name: str
    operator: str


class Draft:
    """Nodes are added in order, on foreign tensors; :meth:`finish` gives the graph.

    A refused node makes a tensor of unknown shape, ``()``; nothing that reads it is complained of.
    """
    def __init__(self, name: str):
        self.name = name
        self.problems: dict[str, None] = {}         # in order, each once
        self._foreign = False                       # an operator was unknown
        self._nodes: dict[str, Node] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._places: dict[str, Place] = {}
        self._stands: dict[str, str] = {}           # a tensor's node
        self._uses: Counter[str] = Counter()        # how often a name was asked for

    def knows(self, tensor: str) -> bool:
        """Whether a node has made the tensor, or was refused."""
        return tensor in self._stands

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Of a tensor without the batch; ``()`` where unknown."""
        return self._shapes[self._stands[tensor]]

    def refuse(self, place: Place, reason: str, nearest: str = "") -> None:
        """Something of a node that cannot be taken, and the nearest form that can."""
        problem = f"node {place.name!r} ({place.operator}): {reason}" \
            + (f"; supported: {nearest}" if nearest else "")
        self.problems[problem] = None
        self.unknown(place)

    def unsupported(self, place: Place, stem: str) -> None:
        """An operator that is not supported; ``stem`` is its name without decoration."""
        nearest = [text for part, text in _NEAREST.items() if part in stem.lower()]
        self.refuse(place, "is not supported", nearest[0] if nearest else "")
        self._foreign = True

    def unknown(self, place: Place) -> None:
        """A tensor that follows from something refused."""
        if place.tensor not in self._stands:
            self._keep(place, Node(name=self._unused(place.name), op=_REFUSED), ())

    def add(self, place: Place, op: str, sources: Sequence[str], **fields) -> None:
        """A node of the graph; nothing where the place was refused."""
        if place.tensor in self._stands:
            return
        inputs = tuple(self._stands[source] for source in sources)
        shapes = [self._shapes[name] for name in inputs]
        node = Node(name=self._unused(place.name), op=op, inputs=inputs, **fields)
        if any(array is not None and not np.isfinite(array).all()
               for array in (node.weight, node.bias)):
            self.refuse(place, "weights or bias that are not all finite numbers")
            return
        try:
            shape = shapes[0] if op in (_AFFINE, _SOFTMAX) else shape_of(node, shapes)
        except InputError as error:
            self.refuse(place, str(error))
            return
        self._keep(place, node, shape)

    def alias(self, place: Place, source: str) -> None:
        """A node that does nothing."""
        if place.tensor not in self._stands:
            self._stands[place.tensor] = self._stands[source]

    def reshape(self, place: Place, source: str, wanted: tuple[int, ...]) -> None:
        """A node that gives each input of the batch another shape."""
        have = self.shape(source)
        if have and wanted == have:
            self.alias(place, source)
        elif not have or wanted == (math.prod(have),):
            self.add(place, "flatten", [source])
        else:
            self.refuse(place, f"it turns {have} into {wanted}",
                        f"flattening all but the batch, to ({math.prod(have)},)")

    def mean(self, place: Place, source: str, *, keep: bool) -> None:
        """The mean over height and width, which stay as 1 x 1 or go."""
        if keep:
            self.add(place, "global_avg_pool", [source])
            return
        whole = replace(place, tensor=f"{place.tensor}/mean")
        self.add(whole, "global_avg_pool", [source])
        self.add(replace(place, name=f"{place.name}/flatten"), "flatten", [whole.tensor])

    def affine(self, place: Place, source: str, factor: np.ndarray, offset: np.ndarray) -> None:
        """A factor and an offset for each channel, to be folded into the layer before."""
        shape = self.shape(source)
        if shape and not factor.shape == offset.shape == shape[:1]:
            self.refuse(place, f"a factor and offset of shapes {list(factor.shape)} and "
                               f"{list(offset.shape)} on {shape[0]} channels", "one a channel")
        self.add(place, _AFFINE, [source], weight=factor, bias=offset)

    def softmax(self, place: Place, source: str, axis: int) -> None:
        """A softmax, which changes no order, to be left to the host."""
        rank = len(self.shape(source)) + 1
        if rank > 1 and axis % rank != 1:
            self.refuse(place, f"a softmax along axis {axis}", "along axis 1, the classes")
        self.add(place, _SOFTMAX, [source])

    def finish(self, output: str, importer: str, operators: Iterable[str]) -> FloatGraph:
        """The graph whose output is a tensor; ``operators`` are told where one is unknown.

        Raises
        ------
        InputError : everything that was refused, a line each.
        """
        last = self._stands.get(output, "")
        nodes = self._fold(self._without_softmax(last))
        if self.problems:
            raise InputError(f"network {self.name!r} cannot be imported:\n  "
                             + "\n  ".join(self.problems)
                             + self._foreign * f"\nthere are {', '.join(sorted(operators))}")
        return FloatGraph(name=self.name, nodes=tuple(nodes), provenance={"importer": importer})

    def _unused(self, name: str) -> str:
        unused = name
        while unused in self._nodes:
            self._uses[name] += 1
            unused = f"{name}_{self._uses[name] + 1}"
        return unused

    def _keep(self, place: Place, node: Node, shape: tuple[int, ...]) -> None:
        self._nodes[node.name], self._shapes[node.name] = node, shape
        self._places[node.name], self._stands[place.tensor] = place, node.name

    def _without_softmax(self, last: str) -> list[Node]:
        """The nodes without one softmax, behind which nothing but flattening may come."""
        while last and self._nodes[last].op == "flatten":
            last = self._nodes[last].inputs[0]
        for node in self._nodes.values():
            if node.op == _SOFTMAX and node.name != last:
                self._complain(node, "a softmax that is not the last operator", "one at the end, "
                                     "which is left to the host")
        if not last or self._nodes[last].op != _SOFTMAX:
            return list(self._nodes.values())
        before = self._nodes[last].inputs[0]
        return [replace(node, inputs=tuple(before if name == last else name
                                           for name in node.inputs))
                for node in self._nodes.values() if node.name != last]

    def _fold(self, nodes: list[Node]) -> list[Node]:
        """The nodes with factors and offsets folded into the layers before them."""
        readers = Counter(name for node in nodes for name in node.inputs)
        kept: dict[str, Node] = {}
        now: dict[str, str] = {}                    # where a folded node's values are made
        for node in nodes:
            inputs = tuple(now.get(name, name) for name in node.inputs)
            if node.op != _AFFINE:
                kept[node.name] = replace(node, inputs=inputs)
                continue
            before = kept[inputs[0]]
            now[node.name] = before.name
            if before.op == _REFUSED:
                continue
            if before.op not in ("conv", "linear") or readers[node.inputs[0]] > 1:
                self._complain(node, f"it cannot be folded into {before.name!r} ({before.op})"
                               + ", which others read too" * (readers[node.inputs[0]] > 1),
                               "directly behind a convolution or linear layer that only it reads")
                continue
            kept[before.name] = _folded(before, node.weight, node.bias)
            if not np.isfinite(kept[before.name].weight).all():
                self._complain(node, f"the weights of {before.name!r} times its factors exceed "
                                     f"float32")
        return list(kept.values())

    def _complain(self, node: Node, reason: str, nearest: str = "") -> None:
        self.refuse(self._places[node.name], reason, nearest)


def _folded(node: Node, factor: np.ndarray, offset: np.ndarray) -> Node:
    """The layer that also multiplies its outputs and adds to them; in float64, rounded once."""
    bias = 0.0 if node.bias is None else node.bias.astype(np.float64)
    wide = factor.astype(np.float64).reshape(-1, *[1] * (node.weight.ndim - 1))
    with np.errstate(over="ignore"):
        return replace(node, weight=(node.weight * wide).astype(np.float32),
                       bias=(bias * factor + offset).astype(np.float32))
