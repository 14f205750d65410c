# SPDX-License-Identifier: Apache-2.0
"""Products that end in a register."""
from amaranth import Module

__all__ = ["registered_product"]


def registered_product(m: Module, platform, a, b, product) -> None:
    """``product`` becomes ``a * b`` in the next cycle (latency 1, one product a cycle).

    A chip whose multipliers have a register of their own, which synthesis does not find, offers
    it as ``platform.registered_product``; the wires to a register in the logic are longer than
    the multiplication takes.
    """
    native = getattr(platform, "registered_product", None)
    instance = native(a, b, product) if native else None
    if instance is None:
        m.d.sync += product.eq(a * b)
    else:
        m.submodules.multiplier = instance
