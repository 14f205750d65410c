# SPDX-License-Identifier: Apache-2.0
"""Products that end in a register."""
from amaranth import Module, Signal, Value

__all__ = ["registered_product"]


def registered_product(m: Module, platform: object, a: Value, b: Value, product: Signal) -> None:
    """``product`` becomes ``a * b`` in the next cycle: latency 1, one product a cycle.

    A chip whose multipliers have an output register that synthesis does not find offers it as
    ``platform.registered_product(a, b, product)``. A register in the logic would be slower: the
    wires to it take longer than the multiplication.
    """
    native = getattr(platform, "registered_product", None)
    instance = native(a, b, product) if native else None
    if instance is None:
        m.d.sync += product.eq(a * b)
    else:
        m.submodules.multiplier = instance
