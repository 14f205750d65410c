# SPDX-License-Identifier: Apache-2.0
"""The array that a network gets when nobody names one."""
from .array.config import preset
from .network.graph import Network

__all__ = ["WHOLE_NETWORKS", "default_preset"]

#: The preset for networks that have more than linear layers.
WHOLE_NETWORKS = "NET16"


def default_preset(network: Network, *, linear: str) -> str:
    """Name of the preset to run ``network`` on, if none is asked for.

    Parameters
    ----------
    linear : the preset for a network of linear layers, each of which reads the one before it;
        any other gets :data:`WHOLE_NETWORKS`.
    """
    needed = {layer.operation for layer in network.layers}
    is_linear = needed <= set(preset(linear).operations) and not network.branches
    return linear if is_linear else WHOLE_NETWORKS
