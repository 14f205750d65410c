// SPDX-License-Identifier: Apache-2.0
// One-port RAM of the iCE40 UltraPlus, awake: yosys' own model forgets by events that only
// simulators know.
module SB_SPRAM256KA (input [13:0] ADDRESS, input [15:0] DATAIN, input [3:0] MASKWREN,
                      input WREN, CHIPSELECT, CLOCK, STANDBY, SLEEP, POWEROFF,
                      output reg [15:0] DATAOUT);
    reg [15:0] mem [0:16383];
    wire [15:0] mask = {{4{MASKWREN[3]}}, {4{MASKWREN[2]}}, {4{MASKWREN[1]}}, {4{MASKWREN[0]}}};
    wire [15:0] now = mem[ADDRESS];
    always @(posedge CLOCK) if (CHIPSELECT) begin
        if (WREN) mem[ADDRESS] <= DATAIN & mask | now & ~mask;
        else DATAOUT <= now;
    end
endmodule
