# SPDX-License-Identifier: Apache-2.0
"""What is inside the array's blocks, for their drawings."""
from .layout import Inside

__all__ = ["INSIDES"]

INSIDES = {
    "accelerator": Inside("""
        loader: Loader: / writes, CRC, commands | sequencer: Sequencer: / layer after layer
        read: read port: / one at a time | array: scan, lnzd, / broadcast, PEs
        """, ">loader loader>sequencer sequencer>array >read array>read loader>read"),
    "accumulators": Inside("""
        add: sum, / or largest | banks*: one or two banks, / a sum for each row
        way: sums on their way: / taken from here | -
        """, ">add add>banks banks> add>way way>add"),
    "activations": Inside("""
        source*: source memory, / read | -
        swap: roles swap / from layer to layer | -
        destination*: destination / memory, written | -
        """, "source> swap>source swap>destination >destination"),
    "address": Inside("""
        add: first row or / the row after, + run | out: operand / register
        next: row after the / last one | filler: longest run / and weight 0?
        """, ">add add>out out> add>next next>add filler>"),
    "array": Inside("""
        scan: Scan | lnzd: Lnzd | broadcast: Broadcast | pes: PE 0 ... / PE N - 1
        memories*: activation / memories | - | - | exchange: exchange / between clusters
        """, "scan>lnzd lnzd>broadcast broadcast>pes pes> pes>exchange exchange>memories "
             "memories>scan"),
    "broadcast": Inside("""
        item: item register | push: all queues / or none
        - | room: room in every queue, / as it was a cycle ago
        """, ">item item>push push> room>push"),
    "codebook": Inside("""
        entry: entry register | choose: weight and run
        weights*: weights by code, / or by rank | -
        runs*: runs by rank / (huffman) | -
        """, ">entry entry>choose choose> weights>choose runs>choose"),
    "counters": Inside("""
        kind: which counter: / first that applies | delay: four cycles / later |
        filler: was it / a filler?
        - | add: + 1 | memory*: 8 counters / for each layer
        """, ">kind kind>delay delay>filler filler>memory memory>add add>memory memory>"),
    "entries": Inside("""
        a: A: the next / column | d: D: the column / being walked | cut: cut out / run and weight
        - | next: position of / the next entry | memory*: entry memory, / one or two banks
        """, ">a a>d d>cut cut> d>next next>d next>memory memory>cut"),
    "exchange": Inside("""
        held: a result held / for each cluster | bus: bus: clusters / take turns |
        to: its PE, and a 0 / for the others
        """, ">held held>bus bus>to to>"),
    "huffman": Inside("""
        run: run codeword: / first limit above | shift: what / follows it |
        code: code codeword: / first limit above
        - | - | ranks: + offsets: / ranks
        """, ">run run>shift shift>code code> code>ranks ranks>"),
    "lnzd": Inside("""
        row: row buffer | tree: first set flag, / tree of 4-input nodes | item: hit or token
        - | flags: a flag for each lane / not yet sent | -
        """, ">row row>tree tree>item item> flags>tree tree>flags"),
    "loader": Inside("""
        word: word, held / for 8 cycles | write: write register
        crc: CRC-32, 16 bits / a cycle | command: CHECK, START, / CLEAR
        """, ">word word>write write> word>crc crc>command command>"),
    "multiply": Inside("""
        mul: act x weight | out: product / register
        - | tag: row, bank
        """, ">mul mul>out out> tag>"),
    "pe": Inside("""
        queue: Queue | pointers*: Pointers | entries*: EntryReader
        mul: Multiply | address: RowAddress | codebook*: Codebook
        acc*: Accumulators | writeback: Writeback, / Requantise | acts*: Activations
        counters*: Counters | channels*: bias, multiplier, / shift | -
        """, ">queue queue>pointers pointers>entries entries>codebook codebook>address "
             "address>mul mul>acc acc>writeback channels>writeback writeback>acts acts>"),
    "pointers": Inside("""
        even*: even pointers | pair: start and end
        odd*: odd pointers | -
        held: act, token | -
        """, ">even even>pair odd>pair pair> held>pair >odd >held"),
    "queue": Inside("""
        write: write pointer | items*: depth items, / distributed RAM | read: read pointer
        - | level: level: items held | -
        """, ">write write>items items>read read> items>level"),
    "requantise": Inside("""
        bias: acc + bias, / 16 bits at a time | mul: x multiplier, / 17 x 17 bits |
        sum: running sum, / digit by digit
        - | - | digit: keep a digit, / watch the rest
        - | - | limit: saturate, / ReLU
        """, ">bias bias>mul mul>sum sum>digit digit>limit limit>"),
    "scan": Inside("""
        count: vectors, rows, / clusters | address: address: counted, / or AddressWalk |
        en: to every PE's / memory
        row: row register | second: second register | fetched: what the memories / answer
        """, ">count count>address address>en en> fetched>second second>row"),
    "sequencer": Inside("""
        state: WIPE, IDLE, / FETCH, RUN | layer: the layer's / fields
        watch: watchdog | memory*: descriptors
        cycles*: cycles of / each layer | -
        """, ">state state>layer layer> memory>layer watch>state cycles>"),
    "address_walk": Inside("""
        position: next position: / address, x, y | held: a position / a cluster | sum: + offset
        - | - | kernel: row of the pixel, / kernel x and y
        - | - | inside: in the map?
        """, ">position position>held held>sum sum> kernel>sum kernel>inside inside>"),
    "writeback": Inside("""
        rows: row and phase, / 8 cycles a row | requantise: Requantise |
        address: destination / address
        - | channels*: bias, multiplier, / shift | vectors: vectors / written
        """, ">rows rows>requantise requantise>address address> channels>requantise "
             "address>vectors vectors>"),
    # The host link.
    "buffer": Inside("""
        bytes*: block RAM | out: register
        place: next place | -
        """, ">bytes bytes>out out> place>bytes"),
    "check": Inside("""
        number: distance to the / expected number | reply: again, or the / first objection
        size: words and bytes / agree? | -
        target: target allowed, / array idle? | -
        """, ">number number>reply reply> >size size>reply >target target>reply"),
    "cobs_decoder": Inside("""
        left: bytes left / of this block | byte: byte register
        zero: does a zero / follow it? | -
        end: end of frame | -
        """, ">left left>byte byte> zero>byte end>"),
    "cobs_encoder": Inside("""
        code: place of the / open code | write: the byte, or the / code before it
        free: next free place | -
        distance: distance / between them | -
        """, ">code code>write write> free>write distance>write"),
    "execute": Inside("""
        head: request head | check: RequestCheck | answer: response header
        - | words: WordMover | reset: reset of the array
        """, ">head head>check check>answer answer> check>words words>reset reset>"),
    "identity": Inside("""
        rom*: ROM of bytes | out: byte register
        beyond: beyond / the end? | -
        """, ">rom rom>out out> beyond>out"),
    "link": Inside("""
        - | - | identity*: Identity-/ Memory | -
        rx: UartReceiver | receive: Receiver: / whole frames | execute: Executor |
        ports: accelerator's / ports
        - | - | respond: Responder | tx: Uart-/ Transmitter
        """, ">rx rx>receive receive>execute execute>ports ports> identity>execute "
             "execute>respond respond>tx tx>"),
    "receive": Inside("""
        decode: CobsDecoder | crc: CRC and length / right? | buffer*: Buffer: / two places
        - | level: frames held | -
        """, ">decode decode>crc crc>buffer buffer> crc>level"),
    "respond": Inside("""
        crc: CRC-32 | encode: CobsEncoder | buffer*: Buffer: kept / and aside
        """, ">crc crc>encode encode>buffer buffer>"),
    "uart_receiver": Inside("""
        sync: two FFs | edge: start edge sets / the bit clock |
        bits: bits, sampled / in their middle
        """, ">sync sync>edge edge>bits bits>"),
    "uart_transmitter": Inside("""
        bits: start bit, 8 bits, / stop bit | out: line register
        timer: divisor cycles / a bit | -
        """, ">bits bits>out out> timer>bits"),
    "words": Inside("""
        gather: GATHER: / bytes to a word | word: 64-bit word | ports: LOAD, or / ASK and FETCH
        look: LOOK UP: / identity | emit: EMIT: / a word's bytes | -
        - | next: ADVANCE: / the next address | -
        """, ">gather gather>word word>ports ports> look>emit word>emit emit>"),
}
