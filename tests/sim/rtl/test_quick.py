# SPDX-License-Identifier: Apache-2.0
"""The Verilog rewritten for speed: each step on small modules, and arrays in lockstep with theirs.
"""
import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.core.array.load_port import Control
from openeie.core.compile.program import Program
from openeie.core.errors import ToolError
from openeie.sim.random.cases import case
from openeie.sim.rtl.drive import read_counters, read_outputs
from openeie.sim.rtl.quick import quicken
from openeie.sim.rtl.rewrite import asleep, followers, in_place, inward, only_if, parse
from openeie.sim.rtl.rtl import Rtl
from openeie.sim.rtl.verilog import PE_MODULE, TOP, generate

TINY = preset("TINY")
REGISTERS = r"""
module top(clk, rst, reset, en, d, q);
  input clk;
  reg [3:0] q;
  reg [3:0] other;
  reg [3:0] \$1 ;
  reg [3:0] \$2 ;
  wire [3:0] seen;
  reg [3:0] words [7:0];
  always @(posedge clk) begin
    if (en)
      words[d] <= q;
  end
  always @(posedge clk)
    q <= \$1 ;
  always @(posedge clk)
    other <= \$2 ;
  assign seen = \$2 ;
  always @* begin
    if (\$auto$verilog_backend.cc:1:dump_module$1 ) begin end
    \$1  = q;
    if (en) begin
      \$1 [1:0] = d;
    end
    if (reset) begin
      \$1  = 4'h0;
    end
    if (rst) begin
      \$1  = 4'h0;
    end
  end
  always @* begin
    if (\$auto$verilog_backend.cc:1:dump_module$1 ) begin end
    \$2  = q;
  end
endmodule
"""


def test_a_register_is_assigned_where_its_conditions_are():
    module, = parse(REGISTERS)
    in_place(module)
    process = module.items[-1].split("\n")
    assert process == ["  always @(posedge clk) begin", "    if (en) begin",
                       "      q [1:0] <= d;", "    end",
                       r"    other <= \$2 ;",       # `seen` reads it, too
                       "    if (reset) begin", "      q <= 4'h0;", "    end",
                       "    if (rst) begin", "      q <= 4'h0;", "    end", "  end"]
    assert r"\$1  =" not in module.text and r"\$2  = q" in module.text


def test_a_block_sleeps_but_for_its_memories():
    module, = parse(REGISTERS)
    in_place(module)
    asleep(module, "awake")
    assert "  always @(posedge clk) begin\n    if (en)\n      words" in module.text
    assert "    if (awake) begin\n    if (en) begin\n      q" in module.text


def test_logic_that_only_a_sleeping_register_needs_sleeps_too():
    module, = parse("""module top(clk, d, en);
  reg q;
  wire a;
  wire b;
  assign a = b & d;
  assign b = ~ en;
  child  child (
    .i(b)
  );
  always @(posedge clk) begin
    if (awake) begin
    q <= a;
    end
  end
endmodule
""")
    inward(module, "q")
    assert "    if (awake) begin\n    a = b & d;\n    q <= a;" in module.text
    assert "  assign b = ~ en;" in module.items and "  reg a ;" in module.items


def test_logic_is_put_in_the_order_of_its_inputs():
    module, = parse("""module top(a, b);
  input a;
  output b;
  wire b;
  wire c;
  assign b = ~ c;
  always @* begin
    c = a;
    if (b_0) begin
      c = 1'h0;
    end
  end
endmodule
""")
    only_if(module, "used")
    body = module.items[-1]
    assert body.index("c = a;") < body.index("b = ~ c;") < body.index("b = 'x;")
    assert "  reg b ;" in module.items and "  reg c ;" in module.items


def test_logic_with_a_loop_is_refused():
    module, = parse("module top(a);\n  assign a = ~ b;\n  assign b = ~ a;\nendmodule\n")
    with pytest.raises(ToolError, match="the logic of the module top has a loop"):
        only_if(module, "used")


def test_followers_depend_on_the_sources_alone():
    module, = parse(REGISTERS)
    assert followers(module, ["d", "en", "q"]) == {r"\$2", "other", "seen", "words"}
    assert followers(module, ["d"]) == set()


def test_gateware_that_is_named_otherwise_is_refused():
    text = generate(TINY).replace("running", "runs")
    with pytest.raises(ToolError, match="quick.py must follow"):
        quicken(text, PE_MODULE, TOP)


def lockstep(program: Program, x: np.ndarray, tmp_path) -> int:
    """Run one launch on both forms of an array, and compare them in every cycle; returns their
    number."""
    records = np.concatenate([program.records(), program.input_records(x[:program.vectors])])
    tiles = len(program.tiles)
    with Rtl(program.config, trace=tmp_path / "plain.vcd", tracing=False) as plain, \
            Rtl(program.config) as quick:
        for array in (plain, quick):
            array.load(records)
            array.command(Control.START, tiles << 16)
        began = quick.cycles
        while plain._library.openeie_busy(plain._handle):
            assert quick._library.openeie_busy(quick._handle)
            assert plain.fault == quick.fault
            plain.tick()
            quick.tick()
        assert not quick._library.openeie_busy(quick._handle) and plain.fault == quick.fault
        cycles = quick.cycles - began
        quick.direct = False
        for number in range(tiles):
            for ours, theirs in zip(read_counters(quick, number), read_counters(plain, number)):
                assert np.array_equal(ours, theirs)
            assert np.array_equal(read_outputs(quick, program, number),
                                  read_outputs(plain, program, number))
    return cycles


@pytest.mark.parametrize("config", [TINY, None])
def test_both_forms_of_an_array_are_equal_in_every_cycle(config, tmp_path):
    """TINY, and a random array with clusters and windows."""
    cycles = 0
    for index in range(6):
        drawn = case(5, 0, index, config)
        assert config or drawn.program.config.clusters > 1 and drawn.program.config.conv
        cycles += lockstep(drawn.program, drawn.x, tmp_path)
    assert cycles > 1000
