# SPDX-License-Identifier: Apache-2.0
"""Matrices of signs: packed, read back, and multiplied by XNOR and popcount."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.errors import EncodingError, InputError
from openeie.core.numbers.signs import SignMatrix, pack_signs, sign_products

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 200), st.integers(0, 2**32 - 1))


@given(SIZES)
def test_bits_come_back_and_take_one_bit_a_weight(sizes):
    m, n, seed = sizes
    dense = np.random.default_rng(seed).choice([-1, 1], (m, n))
    matrix = SignMatrix.from_signs(dense)
    assert np.array_equal(matrix.dense(), dense) and matrix.dense().dtype == np.int64
    data = matrix.to_bytes()
    assert len(data) == -(-m * n // 8)
    # Row after row, the first weight on top of byte 0.
    text = "".join("1" if value > 0 else "0" for value in dense.ravel())
    assert int.from_bytes(data, "big") == int(text.ljust(8 * len(data), "0"), 2)
    again = SignMatrix.from_bytes(data, (m, n))
    assert again.shape == (m, n) and np.array_equal(again.bits, matrix.bits)


@given(SIZES)
def test_popcount_is_the_product_of_signs_among_the_columns_seen(sizes):
    m, n, seed = sizes
    rng = np.random.default_rng(seed)
    weights, signs = rng.choice([-1, 1], (m, n)), rng.choice([-1, 1], (3, 4, n))
    seen = rng.random((1, 4, n)) < 0.7
    products = sign_products(SignMatrix.from_signs(weights).words, pack_signs(signs > 0),
                             pack_signs(seen))
    assert products.dtype == np.int64
    assert np.array_equal(products, (signs * seen) @ weights.T)


@pytest.mark.parametrize(("data", "message"), [
    (b"\xff", "2 x 5 signs take 2 bytes, not 1"), (b"\xff\xc0\0", "2 bytes, not 3"),
    (b"\xff\xe0", "the bits behind the last sign must be 0")])
def test_damaged_bytes_are_refused(data, message):
    with pytest.raises(EncodingError, match=message):
        SignMatrix.from_bytes(data, (2, 5))


@pytest.mark.parametrize(("make", "message"), [
    (lambda: SignMatrix.from_signs(np.array([[1, -1], [1, 0]])),
     r"sign \[1, 1\] must be 1 or -1, not .*0"),
    (lambda: SignMatrix.from_signs(np.ones(3)), r"matrix \[m, n\], not of shape \[3\]"),
    (lambda: SignMatrix(shape=(0, 4), bits=np.zeros((0, 1), np.uint8)), "1 x 1, not 0 x 4"),
    (lambda: SignMatrix(shape=(1, 4), bits=np.zeros((1, 2), np.uint8)),
     r"bits must have shape \(1, 1\), not \(1, 2\)"),
    (lambda: SignMatrix(shape=(1, 4), bits=np.full((1, 1), 8, np.uint8)),
     "bits behind the last column must be 0")])
def test_what_is_no_matrix_of_signs_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
