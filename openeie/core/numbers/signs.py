# SPDX-License-Identifier: Apache-2.0
"""Matrices of +1 and -1 with one bit per element; products with signs by XNOR and popcount."""
from dataclasses import dataclass

import numpy as np

from ..errors import EncodingError, InputError
from .sparse import frozen

__all__ = ["SignMatrix", "pack_signs", "sign_products"]

_WORD_BYTES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class SignMatrix:
    """A matrix whose elements are +1 or -1.

    Attributes
    ----------
    shape : (rows m, columns n) = (outputs, inputs).
    bits : uint8 [m, ceil(n / 8)]; a bit of 1 is +1. The first column is the top bit of a row's
        first byte; bits behind the last column are 0.

    Raises
    ------
    InputError : an empty matrix, bits of another shape, or a 1 behind the last column.
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
        """Pack a dense matrix [m, n] of +1 and -1.

        Raises
        ------
        InputError : another value, or an array of another number of dimensions.
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
        """The matrix from the bytes that :meth:`to_bytes` gives.

        Raises
        ------
        EncodingError : a wrong number of bytes, or a 1 behind the last element.
        """
        m, n = shape
        if len(data) != -(-m * n // 8):
            raise EncodingError(f"{m} x {n} signs take {-(-m * n // 8)} bytes, not {len(data)}")
        bits = np.unpackbits(np.frombuffer(data, np.uint8))
        if bits[m * n:].any():
            raise EncodingError("the bits behind the last sign must be 0")
        return cls(shape=shape, bits=np.packbits(bits[:m * n].reshape(m, n), axis=1))

    def to_bytes(self) -> bytes:
        """All m x n bits, row by row without gaps. The first is the top bit of byte 0; bits behind
        the last are 0."""
        return np.packbits(self._unpacked()).tobytes()

    def dense(self) -> np.ndarray:
        """The dense matrix of +1 and -1, int64 [m, n]."""
        return 2 * self._unpacked().astype(np.int64) - 1

    def _unpacked(self) -> np.ndarray:
        return np.unpackbits(self.bits, axis=1, count=self.shape[1])

    @property
    def words(self) -> np.ndarray:
        """The bits in words of 64, uint64 [m, ceil(n / 64)], as :func:`sign_products` takes them.
        """
        return _words(self.bits)


def pack_signs(signs: np.ndarray) -> np.ndarray:
    """Bits [..., n] in words of 64, uint64 [..., ceil(n / 64)]; True is +1. Bits behind the last
    are 0."""
    return _words(np.packbits(signs, axis=-1))


def _words(packed: np.ndarray) -> np.ndarray:
    """Bytes [..., k] as words of 8 bytes, filled up with zeros."""
    missing = -packed.shape[-1] % _WORD_BYTES
    padding = [(0, 0)] * (packed.ndim - 1) + [(0, missing)]
    return np.pad(packed, padding).view(np.uint64)


def sign_products(weights: np.ndarray, signs: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Sum over all j with ``seen[j]`` of ``w[i, j] * s[j]``, for w and s of +1 and -1.

    Equal signs contribute +1, different ones -1. So the sum is the number of columns seen less
    twice the number of different signs among them; XOR finds these, and popcount counts them.

    Parameters
    ----------
    weights : uint64 [m, words], the signs w.
    signs, seen : uint64 [..., words]; ``seen`` is broadcast against ``signs``.

    Returns
    -------
    int64 [..., m].
    """
    # Words come first, so that summing over them adds whole arrays.
    signs = np.ascontiguousarray(np.moveaxis(signs, -1, 0))
    seen = np.ascontiguousarray(np.moveaxis(seen, -1, 0))
    count = np.bitwise_count(seen).sum(axis=0, dtype=np.int64)
    result = np.empty((*signs.shape[1:], len(weights)), np.int64)
    over_words = (-1, *[1] * (signs.ndim - 1))
    for i, weight in enumerate(weights):
        different = (signs ^ weight.reshape(over_words)) & seen
        result[..., i] = count - 2 * np.bitwise_count(different).sum(axis=0, dtype=np.int64)
    return result
