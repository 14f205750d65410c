# SPDX-License-Identifier: Apache-2.0
"""What an artefact's header says of a layer of any kind; the kinds are in ``kinds.py``."""
from typing import Annotated, Any, ClassVar

import pydantic

from ..network.graph import Layer
from ..network.window import Window

__all__ = ["LayerHeader", "Model", "Walked", "Count", "Name", "Numbers", "Scale", "Size",
           "numbers_of", "window_of"]

Count = Annotated[int, pydantic.Field(ge=0, le=1 << 32)]
Size = Annotated[int, pydantic.Field(ge=1, le=1 << 20)]
Scale = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, pydantic.Field(min_length=1, max_length=200)]


def window_of(numbers: list[int]) -> Window:
    """The window of eleven numbers.

    Raises
    ------
    InputError : it cannot be.
    """
    height, width, channels, *rest = numbers
    return Window(height=height, width=width, channels=channels, kernel=(rest[0], rest[1]),
                  stride=(rest[2], rest[3]), pad=(rest[4], rest[5], rest[6], rest[7]))


def _checked(numbers: list[int]) -> list[int]:
    window_of(numbers)
    return numbers


#: Height, width and channels of the map that is read, kernel, stride, and padding at the top,
#: left, bottom and right.
Numbers = Annotated[list[int], pydantic.Field(min_length=11, max_length=11),
                    pydantic.AfterValidator(_checked)]


def numbers_of(window: Window) -> list[int]:
    """A window as it stands in the header."""
    return [window.height, window.width, window.channels, *window.kernel, *window.stride,
            *window.pad]


class Model(pydantic.BaseModel):
    """A part of the header: no field of another type than stated, and none that is not."""
    model_config = pydantic.ConfigDict(strict=True, extra="forbid", frozen=True)


class LayerHeader(Model):
    """What the header says of any layer; a field that has its default is left out.

    Attributes
    ----------
    makes : the kind's class in a network.
    stored : it has a payload.
    keeps_parts : its output lies in the same parts as what it reads (``layout.py``).
    concatenates : several sources are read side by side; otherwise each is as long as ``inputs``.
    """
    makes: ClassVar[type]
    stored: ClassVar[bool] = False
    keeps_parts: ClassVar[bool] = False
    concatenates: ClassVar[bool] = True

    kind: str
    name: Name
    relu: bool
    output_scale: Scale
    sources: list[Name] = []

    @classmethod
    def write(cls, layer: Any, encoding: str | None = None) -> tuple[dict, bytes]:
        """A layer's fields and its payload, if it has one in another encoding than its own."""
        return {"name": layer.name, "relu": bool(layer.relu), "sources": list(layer.sources),
                "output_scale": float(layer.output_scale)}, b""

    def read(self, payload: bytes) -> Layer:
        """The layer.

        Raises
        ------
        EncodingError, InputError : the payload is damaged, or what it holds cannot be.
        """
        raise NotImplementedError

    @property
    def common(self) -> dict:
        """Arguments that every layer takes."""
        return {"name": self.name, "relu": self.relu, "sources": tuple(self.sources),
                "output_scale": self.output_scale}

    @property
    def label(self) -> str:
        """What the layer does, in tables."""
        return self.kind

    @property
    def walked(self) -> Window | None:
        """The window that goes over the map it reads."""
        return None

    @property
    def inputs(self) -> int:
        """Activations that it reads, of all its sources together if it concatenates them."""
        raise NotImplementedError

    @property
    def outputs(self) -> int:
        """Activations that it writes."""
        raise NotImplementedError


class Walked(LayerHeader):
    """A layer that follows a window over a map."""
    window: Numbers

    @property
    def walked(self) -> Window:
        """The window."""
        return window_of(self.window)

    @property
    def inputs(self) -> int:
        """Of the map."""
        return self.walked.inputs
