# SPDX-License-Identifier: Apache-2.0
"""A program as its memory images spell it out: entries by column, writeback parameters by row.

Nothing here looks at the network the program was compiled from, so that a wrong image gives
wrong values, as it does in the gateware.
"""
import dataclasses
from dataclasses import dataclass

import numpy as np
from numba import njit

from ..core.unpack import unpack_layer
from ..core.config import ArrayConfig
from ..core.errors import EncodingError
from ..core.memory import half_rows
from ..core.descriptor import read_descriptor
from ..core.program import LayerPlan, Program, channel_values
from ..core.walk import Walk
from .recurrence import Shape

__all__ = ["DecodedLayer", "decode", "decode_layer"]


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedLayer:
    """One layer, ready to be executed.

    Attributes
    ----------
    name, relu, walk, shape : what the descriptor says.
    dst_origin, dst_step, places : where its outputs go, see :class:`LayerPlan`.
    local, maximum : every PE takes its own activations; the largest product counts.
    counts, fillers : int32 [n, PEs], entries of each column and PE, and fillers among them.
    indptr : int64 [n + 1]; column j has the weights ``indptr[j]:indptr[j + 1]``, no fillers.
    rows, weights : int32, int16 [entries]; output channel and weight.
    bias, multiplier, shift : int64 [m].
    """
    name: str
    relu: bool
    walk: Walk
    dst_origin: int
    dst_step: int
    places: np.ndarray
    local: bool
    maximum: bool
    shape: Shape
    counts: np.ndarray
    fillers: np.ndarray
    indptr: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray

    @property
    def channels(self) -> int:
        """m, places without a channel included."""
        return len(self.bias)


@njit(cache=True, nogil=True)
def _by_column(count, run, value, filler):
    """PE-major entries, runs relative, to column-major ones with output channels.

    count int32 [PEs, n]; run, value, filler [entries] -> fillers int32 [n, PEs], indptr, rows,
    weights.
    """
    pes, n = count.shape
    first = np.zeros(pes * n + 1, np.int64)             # where (PE, column) starts
    first[1:] = np.cumsum(count.reshape(-1))
    fillers = np.zeros((n, pes), np.int32)
    indptr = np.zeros(n + 1, np.int64)
    kept = len(filler) - np.sum(filler)
    rows, weights = np.empty(kept, np.int32), np.empty(kept, np.int16)
    put = 0
    for j in range(n):
        for i in range(pes):
            row = np.int64(-1)
            for k in range(first[i * n + j], first[i * n + j + 1]):
                row += np.int64(run[k]) + np.int64(1)
                if filler[k]:
                    fillers[j, i] += 1
                else:
                    rows[put], weights[put] = row * pes + i, value[k]
                    put += 1
        indptr[j + 1] = put
    return fillers, indptr, rows, weights


def _channels(program: Program, base: int, plan: LayerPlan) -> dict[str, np.ndarray]:
    """Bias, multiplier and shift of each row of each PE as the array applies them, int64 [m]."""
    row, pe = np.divmod(np.arange(plan.dst_rows * program.config.pes), program.config.pes)
    return channel_values(program.channels[pe, base + row].astype(np.uint64))


def _walk(config: ArrayConfig, layer: int, fields: dict[str, int]) -> Walk:
    if not config.conv:
        return Walk.of_vector(fields["src_rows"], half_rows(config) * (layer % 2))
    return Walk(**{field.name: fields[field.name] for field in dataclasses.fields(Walk)})


def decode_layer(program: Program, layer: int) -> DecodedLayer:
    """Layer number ``layer`` out of the images.

    Raises
    ------
    EncodingError : an entry lies outside the matrix, so the image cannot be this program's.
    """
    plan = program.layers[layer]
    fields = read_descriptor(program.config, program.descriptors[layer])
    entries = unpack_layer(program, layer)
    fillers, indptr, rows, weights = _by_column(entries.count, entries.run, entries.value,
                                                entries.filler)
    if len(rows) and not 0 <= rows.min() <= rows.max() < plan.dst_rows * program.config.pes:
        raise EncodingError(f"layer {plan.name}: the image holds an entry of row {rows.max()}, "
                            f"but the layer has {plan.dst_rows * program.config.pes} rows")
    return DecodedLayer(
        name=plan.name, relu=bool(fields["relu"]), walk=_walk(program.config, layer, fields),
        dst_origin=fields.get("dst_origin", half_rows(program.config) * (1 - layer % 2)),
        dst_step=fields.get("dst_step", 1), places=plan.places,
        local=bool(fields.get("local")), maximum=bool(fields.get("maximum")),
        shape=Shape(src_rows=fields["src_rows"], dst_rows=fields["dst_rows"],
                    lanes=1 if fields.get("local") else program.config.pes,
                    acc_banks=program.config.acc_banks,
                    queue_depth=program.config.queue_depth),
        counts=np.ascontiguousarray(entries.count.T), fillers=fillers, indptr=indptr,
        rows=rows, weights=weights, **_channels(program, fields["channel_base"], plan))


def decode(program: Program) -> tuple[DecodedLayer, ...]:
    """All layers; :func:`openeie.sim.fast.run` takes them, to decode once for many runs."""
    return tuple(decode_layer(program, layer) for layer in range(len(program.layers)))
