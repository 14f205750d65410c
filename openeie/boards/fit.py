# SPDX-License-Identifier: Apache-2.0
"""A network in whichever encoding an array has room for."""
from ..core.array.config import ArrayConfig
from ..core.compile.compile import compile_network
from ..core.compile.program import Program
from ..core.errors import CapacityError, InputError
from ..core.network.graph import Network

__all__ = ["compile_to_fit"]


def compile_to_fit(network: Network, config: ArrayConfig, *, vectors: int = 1
                   ) -> tuple[Program, str]:
    """The program and its encoding: the layers' own, called ``own``, else the array's in turn.

    Raises
    ------
    CapacityError, InputError : of the last encoding that was tried; nothing fits.
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
