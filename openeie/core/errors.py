# SPDX-License-Identifier: Apache-2.0
"""Every error a user can meet, as one small family.

A message says what went wrong, where, the rule, the offending value and the next step. The
command line prints the message alone and exits with :attr:`OpenEIEError.exit_code`.
"""

__all__ = ["OpenEIEError", "ConfigError", "InputError", "BudgetError", "EncodingError",
           "CapacityError", "ArtefactError", "ToolError", "ArrayFault", "LinkError", "Mismatch",
           "PrecisionWarning"]


class OpenEIEError(Exception):
    """Root of the family; catching it catches everything this package reports on purpose."""
    exit_code = 2
    #: Whether a verb's JSON output has it already.
    printed = False


class ConfigError(OpenEIEError, ValueError):
    """A configuration that cannot work."""


class InputError(OpenEIEError, ValueError):
    """An input array or command-line value of the wrong shape, type or range."""


class BudgetError(InputError):
    """An accuracy budget that no choice met; ``best`` is the choice that came nearest."""

    def __init__(self, message: str, best: object) -> None:
        super().__init__(message)
        self.best = best

    def __reduce__(self) -> tuple:
        return type(self), (str(self), self.best)


class EncodingError(OpenEIEError, ValueError):
    """Weights that an encoding cannot represent, or an entry stream that is not well formed."""


class CapacityError(OpenEIEError):
    """A network that does not fit the memories or widths of a configuration."""


class ArtefactError(OpenEIEError):
    """An ``*.eie`` file that is truncated, damaged, hostile or of an unknown schema."""


class ToolError(OpenEIEError):
    """A program of the machine (compiler, make, perl, Verilator) that is missing or failed."""
    exit_code = 3


class ArrayFault(OpenEIEError):
    """The array stopped with an error status: bad CRC, watchdog, refused start."""
    exit_code = 4


class LinkError(OpenEIEError):
    """The link to a board: no such port, no answer, a foreign or older bitstream."""
    exit_code = 5


class Mismatch(OpenEIEError):
    """Two executions disagree; names engine, layer, PE, word or counter, and both values."""
    exit_code = 1


class PrecisionWarning(UserWarning):
    """Integers that lose more of a float network than rounding has to; names layer and channel."""
