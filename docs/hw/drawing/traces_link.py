# SPDX-License-Identifier: Apache-2.0
"""Worked traces: the host link."""
import zlib

from openeie.hw.link import (buffer, check, cobs, execute, identity, link, receive, respond, uart,
                             words)
from openeie.hw.link.check import REQUEST_HEADER, Command

from .simulate import Feed, Trace

__all__ = ["TRACES"]

_DIVISOR = 4
#: Words of an identity, of which the first is the protocol's version.
_IDENTITY = [1, 0xCAFE]


def _encoded(frame):
    """COBS, with the zero that ends a frame: a code says how far the next zero is."""
    blocks = bytes(frame).split(b"\0")
    return [byte for block in blocks for byte in (len(block) + 1, *block)] + [0]


def _request(command, *, sequence=0, target=0, word_bytes=1, pe=0, address=0, count=0, data=b""):
    body = REQUEST_HEADER.pack(sequence, command, target, word_bytes, pe, address, count) + data
    return body + zlib.crc32(body).to_bytes(4, "little")


def _bits(data):
    """A line that carries bytes, cycle by cycle."""
    line = [1] * _DIVISOR
    for byte in data:
        for bit in (0, *(byte >> place & 1 for place in range(8)), 1):
            line += [bit] * _DIVISOR
    return line


_HEX = "{:02x}".format


def _uart_receiver():
    line = [*_bits([0x53]), *[1] * 8]
    return Trace(
        block=uart.UartReceiver(divisor=_DIVISOR), cycles=len(line),
        inputs={"rx": line, "o.ready": 1}, columns=("rx", "o"), formats={"o": _HEX}, noted=True,
        origin=_DIVISOR,
        notes={-1: "the line is idle", 0: "the start bit", 4: "bit 0 of 53 is 1", 8: "bit 1",
               12: "bit 2 is 0", 36: "the stop bit", 40: "idle again",
               41: "sampled in its middle, after two FFs and the edge: 3 + 9 x 4 + 2 cycles"})


def _uart_transmitter():
    return Trace(
        block=uart.UartTransmitter(divisor=_DIVISOR), cycles=42,
        inputs={"i": Feed([0x53, 0x54])}, columns=("i", "tx"), formats={"i": _HEX}, noted=True,
        notes={0: "the byte is taken", 1: "the start bit", 5: "bit 0 of 53 is 1", 9: "bit 1",
               13: "bit 2 is 0", 37: "the stop bit", 40: "its last cycle: the next byte is taken",
               41: "the next start bit"})


def _cobs_decoder():
    return Trace(
        block=cobs.CobsDecoder(), cycles=8,
        inputs={"i": Feed([3, 0x11, 0x22, 2, 0x33, 0])}, columns=("i", "valid", "byte", "end",
                                                                   "good"),
        formats={"i": _HEX, "byte": _HEX}, valid={"byte": "valid", "good": "end"},
        notes={0: "a code: two bytes, then a zero", 1: "a frame's first code shows nothing",
               2: "11", 3: "22; the next code is one byte away", 4: "the zero after those two",
               5: "33; the frame's end", 6: "it was whole", 7: "nothing comes"})


def _cobs_encoder():
    return Trace(
        block=cobs.CobsEncoder(), cycles=7,
        inputs={"start": [1], "put": [0, 1, 1, 1], "byte": [0, 0x11, 0, 0x33],
                "finish": [0, 0, 0, 0, 1]},
        columns=("start", "put", "byte", "finish", "write", "address", "data"),
        formats={"byte": _HEX, "data": _HEX}, valid={"byte": "put", "address": "write",
                                                     "data": "write"},
        notes={0: "a frame begins; place 0 is its first code's", 1: "11 goes to place 1",
               2: "a zero: the code before it is known, 2", 3: "33 goes behind the zero's place",
               4: "no more: the last code is 2", 5: "and the frame ends",
               6: "places 0 to 4: 02 11 02 33 00"})


def _buffer():
    return Trace(
        block=buffer.Buffer(16), cycles=10,
        inputs={"write": [1, 1], "write_address": [0, 1], "write_data": [0x41, 0x42],
                "seek": [1, 1, 1], "o.ready": 1},
        columns=("write", "write_address", "write_data", "seek", "first", "o"),
        formats={"write_data": _HEX, "o": _HEX},
        valid={"write_address": "write", "write_data": "write", "first": "seek"},
        notes={0: "byte 0 is written; held at the start", 1: "byte 1 is written",
               2: "the last cycle of `seek`", 3: "byte 0 is read",
               4: "it comes into the register behind the memory", 5: "it is taken",
               6: "byte 1 is read", 7: "it comes into the register", 8: "it is taken",
               9: "byte 2 would be next"})


def _identity():
    return Trace(
        block=identity.IdentityMemory(_IDENTITY), cycles=6,
        inputs={"address": [1, 1, 1, 5], "byte": [0, 1, 4, 0]},
        columns=("address", "byte", "data"), formats={"data": _HEX},
        valid={"address": range(4), "byte": range(4), "data": range(2, 6)},
        notes={0: "word 1 is 0000cafe: its byte 0", 1: "its byte 1",
               2: "byte 0; a word has no byte 4", 3: "byte 1; there is no word 5",
               4: "so 0", 5: "and 0"})


def _check():
    head = {"length": 20, "sequence": 7, "command": int(Command.WRITE), "target": 7,
            "word_bytes": 2, "pe": 0, "address": 0, "count": 2}
    assert head["length"] == 1 + len(_request(Command.WRITE, data=bytes(4)))
    heads = [head] * 4 + [head | {"count": 3}] * 4 + [head | {"sequence": 6}] * 4
    return Trace(
        block=check.RequestCheck(), cycles=12,
        inputs={"head": heads, "expected": 7, "counting": 1, "busy": 0},
        columns=("head", "expected", "again", "verdict"),
        fields={"head": ("length", "sequence", "command", "word_bytes", "count")},
        noted=True, valid={"again": range(3, 12, 4), "verdict": range(3, 12, 4)},
        notes={0: "WRITE of 2 words of 2 bytes", 3: "OK: execute it",
               4: "3 words, but data of 4 bytes", 7: "REFUSED",
               8: "number 6, which was executed before", 11: "the kept response is sent again"})


def _receive():
    frame = _request(Command.RESET, sequence=7)
    sent = _encoded(frame)
    end = len(sent) - 1
    return Trace(
        block=receive.Receiver(), cycles=end + 9, origin=end,
        inputs={"i": Feed(sent), "o.ready": [0] * (end + 5) + [1, 0, 0, 1]},
        columns=("i", "o", "error"), formats={"i": _HEX, "o": _HEX}, noted=True,
        notes={-end: "the first code", 1 - end: "the sequence number, 7", 0: "the frame's end",
               1: "CRC and length are right: the frame is kept",
               4: "its length is offered", 5: "and taken: 10 = 16: itself and 15 bytes",
               8: "three cycles later the sequence number is offered"})


def _respond():
    return Trace(
        block=respond.Responder(), cycles=48,
        inputs={"response_start": [1], "i": Feed([7, 0x84, 0], 1), "send": [0] * 4 + [1],
                "o.ready": 1},
        columns=("response_start", "i", "send", "busy", "o"),
        formats={"i": _HEX, "o": _HEX}, noted=True,
        notes={0: "a new response", 1: "number 7", 2: "RESET's answer", 3: "OK", 4: "complete",
               5: "four bytes of CRC follow", 9: "the last code, and the end",
               12: "the first code: the frame's zero is 3 further", 15: "number 7",
               18: "RESET's answer", 21: "the zero's place has the next code",
               24: "CRC", 36: "a zero ends the frame", 37: "ready for another response"})


def _words():
    head = {"length": 19, "sequence": 7, "command": int(Command.WRITE), "target": 7,
            "word_bytes": 2, "pe": 1, "address": 5, "count": 1}
    return Trace(
        block=words.WordMover(), cycles=16,
        inputs={"head": head, "start": [1], "i": Feed([0x34, 0x12], 1),
                "i_load.ready": [0] * 11 + [1]},
        columns=("start", "i", "byte", "i_load", "advance", "next", "done"),
        formats={"i": _HEX}, noted=True,
        notes={0: "a WRITE of one word of two bytes", 1: "its low byte", 2: "its high byte",
               3: "six more bytes are 0", 9: "the word is offered: 1234 hex = 4660",
               11: "the loader takes it", 12: "the address goes on, a byte a cycle",
               15: "so does the count, and that was all"})


def _execute():
    frame = _request(Command.RESET, sequence=7)
    return Trace(
        block=execute.Executor(), cycles=65,
        inputs={"i": Feed([1 + len(frame), *frame[:REQUEST_HEADER.size]]), "o.ready": 1},
        columns=("i", "active", "response_start", "o", "reset", "send", "drop"),
        formats={"i": _HEX, "o": _HEX}, noted=True,
        notes={0: "one more than the frame's length, hex", 1: "the sequence number, 7", 2: "RESET",
               11: "the header's last byte; now it is checked",
               27: "it may be executed: a response begins", 28: "number 7", 29: "RESET's answer",
               30: "OK", 32: "the array's reset, for 16 cycles", 47: "its last cycle",
               63: "the response is complete, the request forgotten", 64: "idle"})


def _link():
    line = _bits(_encoded(_request(Command.IDENTIFY, sequence=7, word_bytes=4, count=1)))
    return Trace(
        block=link.Link(_IDENTITY, divisor=_DIVISOR), cycles=685 + 578, origin=685,
        inputs={"rx": [*line, *[1] * 620]},
        columns=("rx", "uart_receiver.o", "receive.o", "respond.i", "respond.o", "tx", "active"),
        formats=dict.fromkeys(("uart_receiver.o", "receive.o", "respond.i", "respond.o"), _HEX),
        noted=True,
        notes={-681: "the first byte's start bit", -640: "a code: the frame's first zero is 3 away",
               -600: "number 7", -560: "IDENTIFY",
               0: "the frame's end", 4: "its length is shown", 7: "number 7", 10: "IDENTIFY",
               37: "the header is read", 54: "the response: number 7", 55: "IDENTIFY's answer",
               56: "OK", 59: "the identity's first word: 1", 62: "0", 65: "0", 68: "0",
               97: "the first encoded byte", 98: "its start bit", 138: "the next byte's",
               577: "the zero that ends the response"})


TRACES = {"uart_receiver": _uart_receiver, "uart_transmitter": _uart_transmitter,
          "cobs_decoder": _cobs_decoder, "cobs_encoder": _cobs_encoder, "buffer": _buffer,
          "identity": _identity, "check": _check, "receive": _receive, "respond": _respond,
          "words": _words, "execute": _execute, "link": _link}
