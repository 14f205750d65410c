# SPDX-License-Identifier: Apache-2.0
"""What is inside the array's blocks, for their drawings."""
from .sketch import Inside

__all__ = ["INSIDES"]

INSIDES = {
    "address": Inside("""
        add: first row or / the row after, + run | out: operand / register
        next: row after the / last one | filler: longest run / and weight 0?
        """, ">add add>out out> add>next next>add filler>"),
    "broadcast": Inside("""
        item: item register | push: all or none
        - | room: room in every queue, / as it was a cycle ago
        """, ">item item>push push> room>push"),
    "lnzd": Inside("""
        row: row buffer | tree: first set flag, / tree of 4-input nodes | item: hit or token
        - | flags: a flag for each lane / not yet sent | -
        """, ">row row>tree tree>item item> flags>tree tree>flags"),
    "multiply": Inside("""
        mul: act x weight | out: product / register
        - | tag: row, bank
        """, ">mul mul>out out> tag>"),
    "queue": Inside("""
        write: write pointer | items*: depth items, / distributed RAM | read: read pointer
        - | level: level: items held | -
        """, ">write write>items items>read read> items>level"),
}
