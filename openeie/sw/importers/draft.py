# SPDX-License-Identifier: Apache-2.0
"""A float graph under construction from a foreign format; problems are collected and reported
together at the end."""
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...core.errors import InputError
from ..float.graph import FloatGraph, Node, shape_of

__all__ = ["Place", "Draft"]

#: Operators that only a draft has: they are folded or dropped at the end, or were refused.
_AFFINE = "affine"
_SOFTMAX = "softmax"
_REFUSED = "refused"

#: What to use instead of an unsupported operator, by a part of its name in lower case.
_NEAREST = {
    "conv": "a two-dimensional convolution, not transposed",
    "relu": "a plain ReLU", "gelu": "a ReLU", "silu": "a ReLU", "swish": "a ReLU",
    "sigmoid": "a ReLU", "tanh": "a ReLU", "elu": "a ReLU", "hardtanh": "a ReLU", "clip": "a ReLU",
    "mul": "batch normalisation after a layer; input_scale, for an input",
    "div": "batch normalisation after a layer; input_scale, for an input",
    "sub": "batch normalisation after a layer; integers without their mean, for an input",
    "split": "one layer for each part", "chunk": "one layer for each part",
    "slice": "one layer for each part", "gather": "one layer for each part",
    "transpose": "maps in the order channels, height, width",
    "permute": "maps in the order channels, height, width",
    "dropout": "dropout that is off when the module is in eval mode",
    "norm": "batch normalisation in eval mode", "lrn": "batch normalisation in eval mode",
    "pad": "padding of the convolution or pool that follows",
    "pool": "a max, average or global average pool in two dimensions",
    "cond": "one path", "while": "one path, unrolled", "if": "one path",
    "loop": "one path, unrolled", "scan": "one path, unrolled",
    "linear": "float weights, before any quantisation",
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A node of the foreign graph, for messages and for the tensor that it computes.

    Attributes
    ----------
    tensor : name of the tensor that it computes; unique.
    name, operator : names of the node and of its operator in the foreign graph.
    """
    tensor: str
    name: str
    operator: str


class Draft:
    """Collects nodes in execution order, addressed by foreign tensor names; :meth:`finish` makes
    the graph.

    A refused node computes a tensor of unknown shape, ``()``, and what reads such a tensor causes
    no further messages.
    """
    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: dict[str, None] = {}         # messages, in order and without repetition
        self._foreign = False                       # an operator was unknown
        self._nodes: dict[str, Node] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._places: dict[str, Place] = {}
        self._node_of: dict[str, str] = {}          # foreign tensor -> node
        self._uses: Counter[str] = Counter()        # how often a name was asked for

    def knows(self, tensor: str) -> bool:
        """True if a node computes the tensor, refused or not."""
        return tensor in self._node_of

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Shape of a tensor without the batch; ``()`` if it is unknown."""
        return self._shapes[self._node_of[tensor]]

    def refuse(self, place: Place, reason: str, nearest: str = "") -> None:
        """Note why a node is not supported, and the nearest form that is."""
        problem = f"node {place.name!r} ({place.operator}): {reason}"
        if nearest:
            problem += f"; supported: {nearest}"
        self.problems[problem] = None
        self.unknown(place)

    def unsupported(self, place: Place, stem: str) -> None:
        """Refuse an unknown operator; ``stem`` is its name without prefixes."""
        nearest = [text for part, text in _NEAREST.items() if part in stem.lower()]
        self.refuse(place, "is not supported", nearest[0] if nearest else "")
        self._foreign = True

    def unknown(self, place: Place) -> None:
        """Note that a tensor cannot be known, unless a node computes it already."""
        if place.tensor not in self._node_of:
            self._keep(place, Node(name=self._unused(place.name), op=_REFUSED), ())

    def add(self, place: Place, op: str, sources: Sequence[str], **fields: Any) -> None:
        """Add a node; nothing happens if the place was refused.

        Parameters
        ----------
        sources : foreign tensors that it reads.
        fields : of the :class:`~openeie.sw.float.graph.Node`.
        """
        if place.tensor in self._node_of:
            return
        inputs = tuple(self._node_of[source] for source in sources)
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
        """Add a node that passes on ``source`` unchanged."""
        if place.tensor not in self._node_of:
            self._node_of[place.tensor] = self._node_of[source]

    def reshape(self, place: Place, source: str, wanted: tuple[int, ...]) -> None:
        """Add a node that changes the shape, without the batch, to ``wanted``."""
        have = self.shape(source)
        if have and wanted == have:
            self.alias(place, source)
        elif not have or wanted == (math.prod(have),):
            self.add(place, "flatten", [source])
        else:
            self.refuse(place, f"it turns {have} into {wanted}",
                        f"flattening all but the batch, to ({math.prod(have)},)")

    def mean(self, place: Place, source: str, *, keep: bool) -> None:
        """Add the mean over height and width, which stay as 1 x 1 (``keep``) or are removed."""
        if keep:
            self.add(place, "global_avg_pool", [source])
            return
        whole = replace(place, tensor=f"{place.tensor}/mean")
        self.add(whole, "global_avg_pool", [source])
        self.add(replace(place, name=f"{place.name}/flatten"), "flatten", [whole.tensor])

    def affine(self, place: Place, source: str, factor: np.ndarray, offset: np.ndarray) -> None:
        """Add a factor and an offset per channel, [channels], to be folded into the layer before
        it."""
        shape = self.shape(source)
        if shape and not factor.shape == offset.shape == shape[:1]:
            self.refuse(place, f"a factor and offset of shapes {list(factor.shape)} and "
                               f"{list(offset.shape)} on {shape[0]} channels", "one per channel")
        self.add(place, _AFFINE, [source], weight=factor, bias=offset)

    def softmax(self, place: Place, source: str, axis: int) -> None:
        """Add a softmax. At the end of a network it keeps the order of the outputs, and is left
        to the host."""
        rank = len(self.shape(source)) + 1
        if rank > 1 and axis % rank != 1:
            self.refuse(place, f"a softmax along axis {axis}", "along axis 1, the classes")
        self.add(place, _SOFTMAX, [source])

    def finish(self, output: str, importer: str, operators: Iterable[str]) -> FloatGraph:
        """The graph whose output is the foreign tensor ``output``.

        Parameters
        ----------
        importer : for the provenance.
        operators : names of all supported operators; the message lists them if one was unknown.

        Raises
        ------
        InputError : everything that was refused, one line each.
        """
        last = self._node_of.get(output, "")
        nodes = self._fold(self._without_softmax(last))
        if self.problems:
            message = "\n  ".join([f"network {self.name!r} cannot be imported:", *self.problems])
            if self._foreign:
                message += f"\nthere are {', '.join(sorted(operators))}"
            raise InputError(message)
        return FloatGraph(name=self.name, nodes=tuple(nodes), provenance={"importer": importer})

    def _unused(self, name: str) -> str:
        """The name, with a number if another node has it."""
        unused = name
        while unused in self._nodes:
            self._uses[name] += 1
            unused = f"{name}_{self._uses[name] + 1}"
        return unused

    def _keep(self, place: Place, node: Node, shape: tuple[int, ...]) -> None:
        self._nodes[node.name] = node
        self._shapes[node.name] = shape
        self._places[node.name] = place
        self._node_of[place.tensor] = node.name

    def _without_softmax(self, last: str) -> list[Node]:
        """The nodes without the softmax at the end; only flattening may follow it."""
        while last and self._nodes[last].op == "flatten":
            last = self._nodes[last].inputs[0]
        for node in self._nodes.values():
            if node.op == _SOFTMAX and node.name != last:
                self._complain(node, "a softmax that is not the last operator", "one at the end, "
                                     "which is left to the host")
        if not last or self._nodes[last].op != _SOFTMAX:
            return list(self._nodes.values())
        before = self._nodes[last].inputs[0]
        kept = []
        for node in self._nodes.values():
            if node.name != last:
                inputs = tuple(before if name == last else name for name in node.inputs)
                kept.append(replace(node, inputs=inputs))
        return kept

    def _fold(self, nodes: list[Node]) -> list[Node]:
        """The nodes, with factors and offsets folded into the layers before them."""
        readers = Counter(name for node in nodes for name in node.inputs)
        kept: dict[str, Node] = {}
        now: dict[str, str] = {}                    # folded node -> the layer that absorbed it
        for node in nodes:
            inputs = tuple(now.get(name, name) for name in node.inputs)
            if node.op != _AFFINE:
                kept[node.name] = replace(node, inputs=inputs)
                continue
            before = kept[inputs[0]]
            now[node.name] = before.name
            if before.op == _REFUSED:
                continue
            shared = readers[node.inputs[0]] > 1
            if before.op not in ("conv", "linear") or shared:
                others = ", which others read too" if shared else ""
                self._complain(node, f"it cannot be folded into {before.name!r} ({before.op})"
                                     f"{others}",
                               "directly after a convolution or linear layer that only it reads")
                continue
            kept[before.name] = _folded(before, node.weight, node.bias)
            if not np.isfinite(kept[before.name].weight).all():
                self._complain(node, f"the weights of {before.name!r} times its factors exceed "
                                     f"float32")
        return list(kept.values())

    def _complain(self, node: Node, reason: str, nearest: str = "") -> None:
        """Refuse a node that was added already."""
        self.refuse(self._places[node.name], reason, nearest)


def _folded(node: Node, factor: np.ndarray, offset: np.ndarray) -> Node:
    """The layer with its outputs multiplied by ``factor``, plus ``offset``: computed in float64
    and rounded once."""
    bias = 0.0 if node.bias is None else node.bias.astype(np.float64)
    wide = factor.astype(np.float64).reshape(-1, *[1] * (node.weight.ndim - 1))
    with np.errstate(over="ignore"):
        return replace(node, weight=(node.weight * wide).astype(np.float32),
                       bias=(bias * factor + offset).astype(np.float32))
