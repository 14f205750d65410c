# SPDX-License-Identifier: Apache-2.0
"""Every error that a user can meet, as one small family.

A message says what went wrong and where, the rule, the offending value and the next step. The
command line prints only the message and exits with :attr:`OpenEIEError.exit_code`.
"""
import difflib
from collections.abc import Iterable
from typing import Any

__all__ = ["OpenEIEError", "ConfigError", "InputError", "UntrustedError", "BudgetError",
           "EncodingError", "CapacityError", "ArtefactError", "ToolError", "ArrayFault",
           "LinkError", "Mismatch", "NumericWarning", "did_you_mean", "must_be_one_of"]

#: Most characters of a message: a few screens, and enough for every wrong key of a recipe.
_LONGEST = 8000
#: Most names that are proposed for an unknown one.
_NEAREST = 3


def did_you_mean(name: str, known: Iterable[str], form: str = "{} ") -> str:
    """``"did you mean act_depth or acc_depth? "``: the known names most similar to an unknown
    ``name``, whatever their case, the nearest first.

    ``form`` says what stands around the question. The result is ``""`` if no name is similar.
    """
    spelt = {one.lower(): one for one in known}
    near = [spelt[one] for one in difflib.get_close_matches(str(name).lower(), spelt, _NEAREST)]
    return form.format(f"did you mean {' or '.join(near)}?") if near else ""


def must_be_one_of(name: str, known: Iterable[str]) -> str:
    """``"must be one of golden, fast, rtl, not 'fsat'; did you mean fast?"``."""
    names = tuple(known)
    return f"must be one of {', '.join(names)}, not {name!r}{did_you_mean(name, names, '; {}')}"


class OpenEIEError(Exception):
    """Root of the family: catching it catches every error that this package reports on purpose."""
    exit_code = 2
    #: Whether a command's JSON output already contains it.
    printed = False

    def __str__(self) -> str:
        """The message; of a very long one, the beginning and the end."""
        text = super().__str__()
        if len(text) <= _LONGEST:
            return text
        return f"{text[:_LONGEST // 2]} [...] {text[-_LONGEST // 2:]}"


class ConfigError(OpenEIEError, ValueError):
    """A configuration that cannot work."""


class InputError(OpenEIEError, ValueError):
    """An input array or command-line value of the wrong shape, type or range."""


class UntrustedError(InputError):
    """A file or text from elsewhere that is damaged, of another kind, or beyond a limit.

    Attributes
    ----------
    source : name of the file, or what the text is.
    rule : what is wrong, or what must hold.
    value : the value that breaks the rule; ``""`` if it cannot be named.
    """

    def __init__(self, source: str, rule: str, value: str = "") -> None:
        super().__init__(f"{source}: {rule}" + (f", not {value}" if value else ""))
        self.source = source
        self.rule = rule
        self.value = value

    @property
    def reason(self) -> str:
        """Rule and value, for a message that names the file itself."""
        return self.rule + (f", not {self.value}" if self.value else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.source, self.rule, self.value)


class BudgetError(InputError):
    """An accuracy budget that no choice meets; ``best`` is the choice that comes nearest."""

    def __init__(self, message: str, best: object) -> None:
        super().__init__(message)
        self.best = best

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.best)


class EncodingError(OpenEIEError, ValueError):
    """Weights that an encoding cannot represent, or an entry stream that is not well formed."""


class CapacityError(OpenEIEError):
    """A network that does not fit the memories or widths of a configuration."""


class ArtefactError(OpenEIEError):
    """An ``*.eie`` file that is truncated, damaged, hostile or of an unknown schema."""


class ToolError(OpenEIEError):
    """A program on this machine (compiler, make, perl, Verilator) that is missing or has failed."""
    exit_code = 3


class ArrayFault(OpenEIEError):
    """The array stopped with an error status: bad CRC, watchdog, refused start."""
    exit_code = 4


class LinkError(OpenEIEError):
    """The link to a board: no such port, no answer, or another version's bitstream."""
    exit_code = 5


class Mismatch(OpenEIEError):
    """Two engines disagree; names the engines, layer, PE, word or counter, and both values."""
    exit_code = 1


class NumericWarning(UserWarning):
    """Values lose more than rounding explains: outputs saturate, or the integers are far from the
    float network. Names the layer, and the channel if it is a single one."""
