# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""The blocks: every component of the gateware, how to build it, and what belongs to its page."""
import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass

from amaranth.lib import wiring
from openeie import hw
from openeie.hw import link
from openeie.hw.structs import Item

__all__ = ["Block", "blocks", "page_names"]


@dataclass(frozen=True)
class Block:
    """One component: its page is ``docs/hw/NAME.md``."""
    name: str
    component: type
    folder: str             # of its gateware, below the repository

    @property
    def title(self) -> str:
        """The class's name."""
        return self.component.__name__

    @property
    def drawing(self) -> str:
        """Name of its drawing; ``array.svg`` is the picture of everything."""
        return "array_block.svg" if self.name == "array" else f"{self.name}.svg"

    @property
    def gateware(self) -> str:
        """Path of its gateware from the repository's root."""
        return f"{self.folder}/{self.component.__module__.rpartition('.')[2]}.py"

    def make(self, config):
        """An instance for an array with this configuration."""
        return _MAKE.get(self.name, _make)(self.component, config)


def blocks() -> dict[str, Block]:
    """All blocks by name, those of the array first; a file with two gives each its own name."""
    found = {}
    for package in (hw, link):
        folder = package.__name__.replace(".", "/")
        for module in pkgutil.iter_modules(package.__path__):
            if module.ispkg:
                continue
            loaded = importlib.import_module(f"{package.__name__}.{module.name}")
            components = [thing for thing in vars(loaded).values() if inspect.isclass(thing)
                          and issubclass(thing, wiring.Component)
                          and thing.__module__ == loaded.__name__]
            for component in components:
                name = page_names(component)[len(components) > 1]
                found[name] = Block(name, component, folder)
    return found


def page_names(component: type) -> tuple[str, str]:
    """What a block's page may be called: as its file, or, where that has two, as its class."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", component.__name__).lower()
    return component.__module__.rpartition(".")[2], words


def _make(component, config):
    return component(config) if inspect.signature(component.__init__).parameters.get("config") \
        else component()


#: Blocks that are not made from a configuration alone; a link's have no widths that depend on it.
_MAKE = {
    "queue": lambda component, config: component(Item(config), depth=config.queue_depth),
    "broadcast": lambda component, config: component(config, config.pes),
    "buffer": lambda component, config: component(512),
    "identity": lambda component, config: component([1]),
    "link": lambda component, config: component([1], divisor=4),
    "uart_receiver": lambda component, config: component(divisor=4),
    "uart_transmitter": lambda component, config: component(divisor=4),
}
