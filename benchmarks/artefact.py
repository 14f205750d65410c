# SPDX-License-Identifier: Apache-2.0
"""Sizes of SqueezeNet v1.0 as an artefact, in each encoding; one JSON object.

    python benchmarks/artefact.py NET PROTOTXT PICTURES.npz [-o FOLDER]

The weights come from Song Han's compressed file. PICTURES.npz is as for
``benchmarks/squeezenet.py``: its last ten images set the scales. With ``-o`` the artefacts are
kept in FOLDER, for ``openeie inspect``.
"""
import argparse
import inspect
import json
import sys
import time
from pathlib import Path

import openeie
from openeie.cli.common import one_line_errors
from openeie.cli.outputs import write_atomically
from openeie.core.artefact import artefact
from openeie.core.network.graph import Network
from openeie.sw.data.imagenet import load_images
from openeie.sw.zoo import import_squeezenet


def measure(network: Network, encoding: str, theirs: int, folder: Path | None) -> dict:
    """Sizes in bytes, ``theirs`` for comparison, and seconds to write and to read."""
    began = time.perf_counter()
    data = artefact.dumps(network, encoding=encoding)
    written = time.perf_counter()
    artefact.loads(data)
    read = time.perf_counter()
    if folder is not None:
        write_atomically(folder / f"{network.name}-{encoding}.eie", data)
    contents = openeie.inspect(data)
    return {"payload_bytes": contents.payload_bytes, "file_bytes": len(data),
            "file_by_payload": len(data) / contents.payload_bytes,
            "by_released_file": len(data) / theirs, "rate_stored": contents.total.rate_stored,
            "write_seconds": written - began, "read_seconds": read - written}


def main() -> None:
    """Print the result."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]))
    parser.add_argument("net", type=Path)
    parser.add_argument("prototxt", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("-o", "--out", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    network, _ = import_squeezenet(options.net, options.prototxt, load_images(options.pictures))
    theirs = options.net.stat().st_size
    result = {"released_bytes": theirs, "layers": len(network.layers)}
    for encoding in ("codebook", "huffman"):
        result[encoding] = measure(network, encoding, theirs, options.out)
    print(json.dumps(result))


if __name__ == "__main__":
    with one_line_errors():
        main()
