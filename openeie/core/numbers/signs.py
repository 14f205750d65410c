# SPDX-License-Identifier: Apache-2.0
"""Matrices of +1 and -1, a bit each, and their product with signs by XNOR and popcount."""
from dataclasses import dataclass

import numpy as np

from ..errors import EncodingError, InputError
from .sparse import frozen

__all__ = ["SignMatrix", "pack_signs", "sign_products"]

_WORD = 8                       # bytes of a word of 64 bits


@dataclass(frozen=True, kw_only=True, eq=False)
class SignMatrix:
    """Weights that are +1 or -1.

    Attributes
    ----------
    shape : (rows m, columns n) = (outputs, inputs).
    bits : uint8 [m, ceil(n / 8)], a row after the other; bit 1 is +1, the first column on top of
        a row's first byte, 0 behind the last column.

    Raises
    ------
    InputError : no weights, or bits of another shape or behind the last column.
    """
    shape: tuple[int, int]
    bits: np.ndarray

    def __post_init__(self) -> None:
        m, n = (int(size) for size in self.shape)
        if m < 1 or n < 1:
            raise InputError(f"shape must be at least 1 x 1, not {m} x {n}")
        bits = frozen(self.bits, np.uint8)
        if bits.shape != (m, -(-n // 8)):
            raise InputError(f"bits must have shape ({m}, {-(-n // 8)}), not {bits.shape}")
        if n % 8 and np.any(bits[:, -1] & ((1 << (-n % 8)) - 1)):
            raise InputError("bits behind the last column must be 0")
        object.__setattr__(self, "shape", (m, n))
        object.__setattr__(self, "bits", bits)

    def __repr__(self) -> str:
        m, n = self.shape
        return f"<SignMatrix {m} x {n}>"

    @classmethod
    def from_signs(cls, signs: np.ndarray) -> "SignMatrix":
        """From a dense matrix [m, n] of +1 and -1.

        Raises
        ------
        InputError : another value, or no matrix.
        """
        signs = np.asarray(signs)
        if signs.ndim != 2:
            raise InputError(f"signs must be a matrix [m, n], not of shape {list(signs.shape)}")
        wrong = np.argwhere((signs != 1) & (signs != -1))
        if len(wrong):
            i, j = wrong[0]
            raise InputError(f"sign [{i}, {j}] must be 1 or -1, not {signs[i, j]!r}")
        return cls(shape=signs.shape, bits=np.packbits(signs > 0, axis=1))

    @classmethod
    def from_bytes(cls, data: bytes, shape: tuple[int, int]) -> "SignMatrix":
        """From what :meth:`to_bytes` gives.

        Raises
        ------
        EncodingError : another number of bytes, or bits behind the last weight.
        """
        m, n = shape
        if len(data) != -(-m * n // 8):
            raise EncodingError(f"{m} x {n} signs take {-(-m * n // 8)} bytes, not {len(data)}")
        bits = np.unpackbits(np.frombuffer(data, np.uint8))
        if bits[m * n:].any():
            raise EncodingError("the bits behind the last sign must be 0")
        return cls(shape=shape, bits=np.packbits(bits[:m * n].reshape(m, n), axis=1))

    def to_bytes(self) -> bytes:
        """All m x n bits, row after row and without a gap between rows; the first on top of byte 0,
        and 0 behind the last."""
        return np.packbits(self._unpacked()).tobytes()

    def dense(self) -> np.ndarray:
        """+1 and -1, int64 [m, n]."""
        return 2 * self._unpacked().astype(np.int64) - 1

    def _unpacked(self) -> np.ndarray:
        return np.unpackbits(self.bits, axis=1, count=self.shape[1])

    @property
    def words(self) -> np.ndarray:
        """The bits in words of 64, uint64 [m, ceil(n / 64)]: what :func:`sign_products` takes."""
        return _words(self.bits)


def pack_signs(signs: np.ndarray) -> np.ndarray:
    """Bits [..., n] (true: +1) in words of 64, uint64 [..., ceil(n / 64)], 0 behind the last."""
    return _words(np.packbits(signs, axis=-1))


def _words(packed: np.ndarray) -> np.ndarray:
    """Bytes [..., k] as words of eight, filled up with zeros."""
    room = [(0, 0)] * (packed.ndim - 1) + [(0, -packed.shape[-1] % _WORD)]
    return np.pad(packed, room).view(np.uint64)


def sign_products(weights: np.ndarray, signs: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Sum over j of ``w[i, j] * s[j]`` where ``seen[j]``, for w and s of +1 and -1.

    Equal signs give +1, different ones -1: among the columns seen, their number less twice that of
    the different ones, which XOR finds and popcount counts.

    Parameters
    ----------
    weights : uint64 [m, words].
    signs, seen : uint64 [..., words]; ``seen`` may have fewer axes of its own (broadcast).

    Returns
    -------
    int64 [..., m].
    """
    signs, seen = np.moveaxis(signs, -1, 0), np.moveaxis(seen, -1, 0)
    signs, seen = np.ascontiguousarray(signs), np.ascontiguousarray(seen)
    count = np.bitwise_count(seen).sum(axis=0, dtype=np.int64)
    result = np.empty((*signs.shape[1:], len(weights)), np.int64)
    row: tuple = (slice(None), *[np.newaxis] * (signs.ndim - 1))
    for i, weight in enumerate(weights):
        different = np.bitwise_count((signs ^ weight[row]) & seen).sum(axis=0, dtype=np.int64)
        result[..., i] = count - 2 * different
    return result
