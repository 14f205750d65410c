# SPDX-License-Identifier: Apache-2.0
"""Which run width suits a network: fewer fillers with a wider run, more weights in a word with a
narrower one."""
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..array.config import ArrayConfig
from ..entries.recount import Gaps
from ..errors import ConfigError
from ..network.graph import Network
from .cluster import Group, estimate_cycles
from .tiles import Tile

__all__ = ["WIDEST", "WORTH", "cycles_by_width", "worthwhile"]

#: Share of the cycles that another run width must save. Every width is an array of its own, whose
#: gateware has to be built once.
WORTH = 0.01
#: Bits of the widest run that an array can have.
WIDEST = 8


def cycles_by_width(network: Network, groups: Sequence[Group], config: ArrayConfig
                    ) -> dict[int, float]:
    """Estimated cycles of a launch by run width, for the array's own and all wider ones whose
    entries fit its memory.

    A narrower run only adds fillers, and one more entry never makes a layer end earlier. Only for
    ``huffman`` does it stay open whether the entries fit: that depends on the codewords.

    groups : the matrices of the network's program in the array's own run width.
    """
    placed = [_placed_columns(network, tiles[0], config) for tiles, _ in groups]
    gaps = [Gaps.of(encoded.entries, config.max_run) for _, encoded in groups]
    result = {}
    for wider in _arrays(config):
        counts = [gap.count(wider.max_run) for gap in gaps]
        if wider != config and _words(groups, counts, wider) > config.entry_depth:
            continue                    # a wider entry may need fewer words again
        result[wider.run_width] = sum(
            estimate_cycles(tiles, count[:, columns], wider)
            for (tiles, _), count, columns in zip(groups, counts, placed))
    return result


def worthwhile(cycles: Mapping[int, float], own: int) -> list[int]:
    """Run widths to try, best first, by their estimated cycles; ``own`` is the array's and ends the
    list.

    The best is the narrowest of those that take at most :data:`WORTH` more than the fewest cycles.
    After it come those that are narrower still, in case it does not fit.
    """
    fewest = min(cycles.values())
    best = min(width for width in cycles if cycles[width] * (1 - WORTH) <= fewest)
    saving = [width for width in sorted(cycles, reverse=True)
              if own < width <= best and cycles[width] <= cycles[own] * (1 - WORTH)]
    return [*saving, own]


def _placed_columns(network: Network, tile: Tile, config: ArrayConfig) -> np.ndarray | slice:
    """The columns that can be broadcast; the others fill up a pixel's last row."""
    return slice(None) if tile.local else network.placed_columns(tile.layer, config.pes)


def _arrays(config: ArrayConfig) -> Iterator[ArrayConfig]:
    """The array with its own and with all wider runs, as far as there are such arrays."""
    for width in range(config.run_width, WIDEST + 1):
        try:
            yield config.replace(run_width=width)
        except ConfigError:
            return


def _words(groups: Sequence[Group], counts: Sequence[np.ndarray], config: ArrayConfig) -> int:
    """Words of entry memory that the matrices need in the fullest PE; of a Huffman-coded matrix
    those that it has now."""
    words = 0
    for (_, encoded), count in zip(groups, counts):
        if encoded.encoding == "huffman":
            words += encoded.words.shape[1]
        else:
            fullest = int(count.sum(axis=1).max())
            words += -(-fullest // config.slots(encoded.encoding))
    return words
