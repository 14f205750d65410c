# SPDX-License-Identifier: Apache-2.0
"""The example that the traces share: a layer of 6 inputs and 4 outputs on two PEs."""
import numpy as np
from openeie import ArrayConfig, Linear, Network, SparseWeights, compile

__all__ = ["CONFIG", "MATRIX", "INPUTS", "LAYER", "ITEMS", "TOKEN", "COLUMNS", "program",
           "load_words"]

#: Two PEs whose queues hold two items. Entries of 12 bits, two in a word.
CONFIG = ArrayConfig(pes=2, queue_depth=2, act_width=8, weight_width=8, acc_width=32,
                     word_width=32, entry_depth=16, pointer_depth=16, act_depth=16, acc_depth=4,
                     channel_depth=4, max_layers=2, encodings=("csr", "codebook"))

#: PE 0 owns rows 0 and 2 (its own rows 0 and 1), PE 1 rows 1 and 3.
MATRIX = [[2, 0, 0, 0, 0, 1],
          [0, 7, 0, 0, 0, 0],
          [-1, 0, 6, 0, 0, 0],
          [0, 0, 0, 0, -3, 4]]
INPUTS = [3, 0, 0, 0, 5, -2]

#: The layer's fields as the sequencer tells them to every block.
LAYER = {"encoding": 0, "src_rows": 3, "vectors": 1, "acc_rows": 2, "cycle_limit": 1000}

#: What lnzd makes of the inputs.
TOKEN = {"act": 0, "column": 0, "token": 1}
ITEMS = [{"act": 3, "column": 0, "token": 0}, {"act": 5, "column": 4, "token": 0},
         {"act": -2, "column": 5, "token": 0}, TOKEN]

#: PE 0's pointers to its columns' entries (word << 2 | slot): four entries in two words.
COLUMNS = {"pointers": [0, 4, 4, 5, 5, 5, 8], "words": [0xFF0020, 0x010061]}


def program():
    """The layer compiled: outputs are half of the sums, rounded."""
    layer = Linear(name="worked", weights=SparseWeights.from_dense(np.array(MATRIX)),
                   encoding="csr", bias=np.zeros(4, int), multiplier=np.full(4, 1 << 14),
                   shift=np.full(4, 15), relu=False)
    network = Network(name="worked", layers=(layer,), input_range=(-8, 7), act_width=8)
    return compile(network, CONFIG)


def load_words() -> list[dict[str, int]]:
    """All words that the load port takes before the start, inputs included."""
    compiled = program()
    records = np.concatenate([compiled.records(), compiled.input_records(np.array([INPUTS]))])
    return [{name: int(record[name]) for name in ("target", "pe", "address", "data")}
            for record in records]
