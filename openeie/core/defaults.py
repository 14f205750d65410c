# SPDX-License-Identifier: Apache-2.0
"""The array on which a network runs if the user does not name one."""
from typing import TYPE_CHECKING

from .array.config import preset

if TYPE_CHECKING:
    from .network.graph import Network

__all__ = ["WHOLE_NETWORKS", "default_preset"]

#: The preset for networks that are more than a chain of linear layers.
WHOLE_NETWORKS = "NET16"


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
