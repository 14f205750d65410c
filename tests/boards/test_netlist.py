# SPDX-License-Identifier: Apache-2.0
"""Below RTL: the regression's short form on what synthesis made of an iCE40 and an ECP5 board."""
import re

import numpy as np
import pytest
from openeie.boards import board, netlist
from openeie.boards.driver import Device
from openeie.boards.regression import Regression
from openeie.boards.virtual import Terminal, VirtualBoard
from openeie.core.array.config import ArrayConfig
from openeie.core.errors import ToolError
from openeie.sim.random.cases import case

pytestmark = pytest.mark.timeout(2400)      # netlists are slow, on a machine that does other things

#: Large enough that the entries go to an SPRAM, the one memory without a second port.
CONFIG = ArrayConfig(pes=1, queue_depth=2, word_width=16, entry_depth=2048, pointer_depth=64,
                     act_depth=16, acc_depth=16, acc_banks=1, acc_width=32, channel_depth=32,
                     counter_width=20, max_layers=4, encodings=("codebook",))
#: With everything that an ECP5 has another memory for.
FULL = CONFIG.replace(word_width=32, entry_depth=512, acc_banks=2,
                      encodings=("csr", "huffman"))


@pytest.mark.slow
@pytest.mark.parametrize("name, config", [("icebreaker", CONFIG), ("ulx3s-25f", FULL)])
def test_regression(name, config, seed):
    fast = board(name)
    fast = fast.replace(baud=fast.clock_out_hz // 4)        # it is simulated bit by bit
    with VirtualBoard(fast, config, seed=seed, below_rtl=True) as virtual, \
            Terminal(virtual) as terminal, \
            Device(terminal.url, fast.baud, expect=config, timeout=30) as device:
        drawn = case(seed, 0, 0, config)
        regression = Regression(device, drawn.program.network, np.array(drawn.x)[:1], seed=seed,
                                layers=1, identities=5)
        outcomes = list(regression.run())
    assert [o.result for o in outcomes if o.result != "skipped"][:3 + len(config.encodings)] \
        == ["passed"] * (3 + len(config.encodings)), outcomes


@pytest.mark.parametrize("name, ours, theirs", [
    ("icebreaker", {"SB_SPRAM256KA"}, {"SB_LUT4", "SB_DFFESR", "SB_CARRY", "SB_RAM40_4K"}),
    ("ulx3s-25f", {"DP16KD", "MULT18X18D"}, {"LUT4", "TRELLIS_FF", "CCU2C", "TRELLIS_DPR16X4"})])
def test_every_cell_has_a_model_and_ours_replace_yosys_own(name, ours, theirs):
    text = netlist._models(board(name))
    mine = (netlist.MODELS / f"{board(name).family.name}.v").read_text()
    assert text.startswith(mine) and "`include" not in text
    modules = re.findall(r"^module (\w+)", text, re.MULTILINE)
    assert [modules.count(one) for one in ours] == [1] * len(ours) and theirs <= set(modules)


def test_no_models_for_gowin():
    with pytest.raises(ToolError, match="no cell models for gowin"):
        VirtualBoard(board("tangnano9k"), CONFIG, below_rtl=True)
