# SPDX-License-Identifier: Apache-2.0
"""The array on which a network runs if the user does not name one, and what is free of one that he
names."""
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .array.config import ArrayConfig, preset

if TYPE_CHECKING:
    from .network.graph import Network

__all__ = ["WHOLE_NETWORKS", "AskedArray", "default_preset"]

#: The preset for networks that are more than a chain of linear layers.
WHOLE_NETWORKS = "NET16"


@dataclass(frozen=True)
class AskedArray:
    """An array as somebody asked for it.

    Attributes
    ----------
    config : the configuration.
    free_run_width : whether the compiler may choose a wider run, since the user named a preset and
        did not set ``run_width``. An array that exists, such as a board's, is never changed.
    """
    config: ArrayConfig
    free_run_width: bool = False

    @classmethod
    def of(cls, array: "str | ArrayConfig | AskedArray") -> "AskedArray":
        """A preset by its name, with a free run width; a configuration as it is.

        Raises
        ------
        ConfigError : no preset of this name.
        """
        if isinstance(array, AskedArray):
            return array
        if isinstance(array, str):
            return cls(preset(array), free_run_width=True)
        return cls(array)


def default_preset(network: "Network", *, linear: str) -> str:
    """Name of the preset on which ``network`` runs if the user does not name one.

    Parameters
    ----------
    linear : the preset for a network of linear layers of which each reads the one before it. All
        other networks get :data:`WHOLE_NETWORKS`.
    """
    needed = {layer.operation for layer in network.layers}
    is_linear = needed <= set(preset(linear).operations) and not network.branches
    return linear if is_linear else WHOLE_NETWORKS
