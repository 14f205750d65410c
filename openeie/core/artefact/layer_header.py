# SPDX-License-Identifier: Apache-2.0
"""What an artefact's header says about a layer of any kind. The kinds are in ``layer_headers.py``
and ``binary_header.py``."""
from typing import Annotated, Any, ClassVar

import pydantic

from ..network.graph import Layer
from ..network.window import Window

__all__ = ["LayerHeader", "Model", "WindowedHeader", "Count", "Fields", "Name", "Numbers", "Scale",
           "Size", "numbers_of", "window_of"]

Count = Annotated[int, pydantic.Field(ge=0, le=1 << 32)]
Size = Annotated[int, pydantic.Field(ge=1, le=1 << 20)]
Scale = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, pydantic.Field(min_length=1, max_length=200)]

#: A layer's JSON object, or the arguments of its class.
Fields = dict[str, Any]


def window_of(numbers: list[int]) -> Window:
    """The window that the header describes by eleven numbers, see :data:`Numbers`.

    Raises
    ------
    InputError : there is no such window.
    """
    height, width, channels, *rest = numbers
    return Window(height=height, width=width, channels=channels, kernel=(rest[0], rest[1]),
                  stride=(rest[2], rest[3]), pad=(rest[4], rest[5], rest[6], rest[7]))


def _checked(numbers: list[int]) -> list[int]:
    window_of(numbers)
    return numbers


#: Height, width and channels of the map that is read; height and width of the kernel; vertical and
#: horizontal stride; padding at the top, left, bottom and right.
Numbers = Annotated[list[int], pydantic.Field(min_length=11, max_length=11),
                    pydantic.AfterValidator(_checked)]


def numbers_of(window: Window) -> list[int]:
    """A window's eleven numbers in the header, see :data:`Numbers`."""
    return [window.height, window.width, window.channels, *window.kernel, *window.stride,
            *window.pad]


class Model(pydantic.BaseModel):
    """A part of the header. Fields have exactly the stated types, and there are no other fields.

    Its checks are built when the first header needs them: most files have few kinds of layers.
    """
    model_config = pydantic.ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class LayerHeader(Model):
    """What the header says about any layer. A field that has its default is left out of the file.

    Attributes
    ----------
    makes : the class of such layers in a network.
    stored : whether the layer has a payload.
    keeps_parts : whether its output has the same parts as what it reads, see
        :class:`openeie.core.network.layout.MapLayout`.
    concatenates : whether several sources are concatenated; otherwise each has ``inputs``
        activations.
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
    def write(cls, layer: Any, encoding: str | None = None) -> tuple[Fields, bytes]:
        """Header fields and payload of a layer. ``encoding``, if given, replaces the layer's own
        encoding."""
        return {"name": layer.name, "relu": bool(layer.relu), "sources": list(layer.sources),
                "output_scale": float(layer.output_scale)}, b""

    def read(self, payload: bytes) -> Layer:
        """The layer.

        Raises
        ------
        EncodingError, InputError : the payload is damaged, or describes an impossible layer.
        """
        raise NotImplementedError

    @property
    def common(self) -> Fields:
        """Arguments that the class of every layer takes."""
        return {"name": self.name, "relu": self.relu, "sources": tuple(self.sources),
                "output_scale": self.output_scale}

    @property
    def label(self) -> str:
        """The layer's kind in tables."""
        return self.kind

    @property
    def window(self) -> Window | None:
        """The window that moves over the map it reads; None without one."""
        return None

    @property
    def inputs(self) -> int:
        """Activations that it reads; of each source, unless it concatenates them."""
        raise NotImplementedError

    @property
    def outputs(self) -> int:
        """Activations that it writes."""
        raise NotImplementedError


class WindowedHeader(LayerHeader):
    """A layer whose kernel moves over a map."""
    window_numbers: Numbers = pydantic.Field(alias="window")

    @property
    def window(self) -> Window:
        """The window."""
        return window_of(self.window_numbers)

    @property
    def inputs(self) -> int:
        """Activations of the map."""
        return self.window.inputs
