# SPDX-License-Identifier: Apache-2.0
"""Deep Compression's Tables 2 and 3, with the same columns measured from a file."""
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...core.artefact.inspect import Contents, LayerColumns, inspect

__all__ = ["PAPER", "PAPER_ERRORS", "PaperRow", "CompressionRow", "compression_rows"]


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """A row of the paper's tables. Bits are given before and after Huffman coding, rates without
    (``rate_shared``) and with it (``rate_stored``)."""
    weights: str
    kept: float
    weight_bits: float
    weight_bits_huffman: float
    index_bits: float
    index_bits_huffman: float
    rate_shared: float
    rate_stored: float


def _row(weights: str, kept: float, bits: tuple[float, float], index: tuple[float, float],
         rates: tuple[float, float]) -> PaperRow:
    """A row from the paper's numbers, where shares are in per cent."""
    return PaperRow(weights=weights, kept=kept / 100, weight_bits=bits[0],
                    weight_bits_huffman=bits[1], index_bits=index[0],
                    index_bits_huffman=index[1], rate_shared=rates[0] / 100,
                    rate_stored=rates[1] / 100)


#: Table 2 (LeNet-300-100) and Table 3 (LeNet-5) of the paper, by the zoo's names of the networks.
PAPER = {
    "lenet-300-100": {
        "ip1": _row("235K", 8, (6, 4.4), (5, 3.7), (3.1, 2.32)),
        "ip2": _row("30K", 9, (6, 4.4), (5, 4.3), (3.8, 3.04)),
        "ip3": _row("1K", 26, (6, 4.3), (5, 3.2), (15.7, 12.70)),
        "total": _row("266K", 8, (6, 5.1), (5, 3.7), (3.1, 2.49))},
    "lenet-5": {
        "conv1": _row("0.5K", 66, (8, 7.2), (5, 1.5), (78.5, 67.45)),
        "conv2": _row("25K", 12, (8, 7.2), (5, 3.9), (6.0, 5.28)),
        "ip1": _row("400K", 8, (5, 4.5), (5, 4.5), (2.7, 2.45)),
        "ip2": _row("5K", 19, (5, 5.2), (5, 3.7), (6.9, 6.13)),
        "total": _row("431K", 8, (5.3, 4.1), (5, 4.4), (3.05, 2.55))},
}
#: Table 1: error of the float and of the compressed network.
PAPER_ERRORS = {"lenet-300-100": (0.0164, 0.0158), "lenet-5": (0.0080, 0.0074)}


@dataclass(frozen=True, kw_only=True)
class CompressionRow:
    """A layer, or the total: columns measured from a file, and the paper's if it has the layer."""
    network: str
    ours: LayerColumns
    paper: PaperRow | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the columns of both."""
        ours = self.ours
        names = ("weights", "weight_bits", "weight_bits_huffman", "index_bits",
                 "index_bits_huffman", "rate_shared", "rate_stored", "fillers")
        return {"network": self.network, "layer": ours.name, "kept": ours.kept_share,
                **{name: getattr(ours, name) for name in names},
                "paper": None if self.paper is None else asdict(self.paper)}


def compression_rows(name: str, path: Path) -> tuple[list[CompressionRow], Contents]:
    """Rows of a file's layers with weights and of their total, and the contents of the file.

    Parameters
    ----------
    name : of the network in :data:`PAPER`; rows of other networks have no numbers of the paper.

    Raises
    ------
    ArtefactError : the file is damaged.
    """
    contents = inspect(path)
    paper = PAPER.get(name, {})
    rows = [CompressionRow(network=name, ours=layer, paper=paper.get(layer.name))
            for layer in (*contents.layers, contents.total) if layer.weights]
    return rows, contents
