# SPDX-License-Identifier: Apache-2.0
"""Compile a network in the first encoding that fits an array."""
from ..core.array.config import ArrayConfig
from ..core.compile.compile import compile_network
from ..core.compile.program import Program
from ..core.errors import CapacityError, InputError
from ..core.network.graph import Network

__all__ = ["compile_to_fit"]


def compile_to_fit(network: Network, config: ArrayConfig, *, vectors: int = 1
                   ) -> tuple[Program, str]:
    """Compile with the layers' own encodings, or else with each of the array's in turn.

    Returns
    -------
    The program, and its encoding: ``"own"``, or the name of one of the array's encodings.

    Raises
    ------
    CapacityError, InputError : no encoding fits; the error is that of the last one tried.
    """
    failure: CapacityError | InputError | None = None
    for encoding in (None, *config.encodings):
        try:
            return (compile_network(network, config, vectors=vectors, encoding=encoding),
                    encoding or "own")
        except (CapacityError, InputError) as error:
            failure = error
    assert failure is not None
    raise failure
