# SPDX-License-Identifier: Apache-2.0
"""Reports to test pages with, and a page taken apart."""
import dataclasses
from html.parser import HTMLParser

import numpy as np
from openeie import shipped
from openeie.core.array.config import preset
from openeie.core.artefact.artefact import load
from openeie.core.artefact.inspect import inspect
from openeie.core.compile.compile import compile_network
from openeie.sim.fast import fast
from openeie.sim.report.gather import gather
from support.networks import CONFIG, branched

__all__ = ["Page", "example", "lenet"]

_VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Every element closed in turn; tables as lists of texts, by caption."""
    def __init__(self, page: bytes):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.facts: list[str] = []
        self.tags: set[str] = set()
        self._caption = ""
        self._rows: list[list[str]] = []
        self.feed(page.decode())
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "table":
            self._caption, self._rows = "", []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        elif tag in ("dt", "dd"):
            self.facts.append("")
        elif tag == "svg":
            names = dict(attributes)
            assert names["role"] == "img" and names["aria-label"]

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "table":
            self.tables[self._caption] = self._rows

    def handle_data(self, data):
        if not self.open:
            return
        if self.open[-1] == "caption":
            self._caption += data
        elif "td" in self.open or "th" in self.open:
            self._rows[-1][-1] += data
        elif "dd" in self.open or "dt" in self.open:
            self.facts[-1] += data


def example(rng, config=CONFIG, name="branched", array="A", batch=4):
    """A run and its report, of a small network with every kind of layer."""
    network = dataclasses.replace(branched(rng), name=name)
    program = compile_network(network, config)
    x = rng.integers(-3, 4, (batch, network.inputs))
    run = fast.run(program, x)
    return run, gather(program, run, x, mhz=100, array=array)


def lenet(name="EIE16"):
    """Program, inputs, run and report of LeNet-300-100 on two inputs."""
    path = shipped("lenet-300-100")
    network = load(path)
    program = compile_network(network, preset(name))
    x = np.random.default_rng(3).integers(0, 256, (2, 784)) * (
        np.random.default_rng(4).random((2, 784)) < 0.2)
    run = fast.run(program, x)
    return program, x, run, gather(program, run, x, mhz=800, array=name, contents=inspect(path))
