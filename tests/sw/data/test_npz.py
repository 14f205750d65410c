# SPDX-License-Identifier: Apache-2.0
"""The end of an ``.npz`` file says how many arrays there are, also as other tools write it."""
import struct

import numpy as np
import pytest
from openeie.core.errors import InputError
from openeie.sw.data.npz import read_arrays


@pytest.fixture
def path(tmp_path):
    """An archive of the arrays x and scale."""
    np.savez(tmp_path / "a.npz", x=np.arange(6), scale=0.5)
    return tmp_path / "a.npz"


def test_a_directory_whose_damaged_length_hides_arrays(path):
    """Else a data set without its scale is read as one of another scale."""
    content = bytearray(path.read_bytes())
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    end = content.index(b"PK\x05\x06")
    content[first + 32:first + 34] = (end - second).to_bytes(2, "little")     # a comment
    path.write_bytes(content)
    with pytest.raises(InputError, match="its last record promises 2 arrays, and 1 are listed"):
        read_arrays(path, "inputs")


def plain(count, place, comment=b""):
    return struct.pack("<4s4xHHLLH", b"PK\x05\x06", count, count, *place, len(comment)) + comment


def zip64(count, place):
    """The record and the locator that stand before the plain one."""
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, *place)
    return record + struct.pack("<4sLQL", b"PK\x06\x07", 0, sum(place), 1)


ENDS = {
    "plain": plain,
    "comment": lambda count, place: plain(count, place, b"any"),
    "bytes behind it": lambda count, place: plain(count, place) + bytes(30),
    "zip64": lambda count, place: zip64(count, place) + plain(0xffff, place),
}


@pytest.mark.parametrize("kind", ENDS)
def test_ends_of_other_tools(kind, path):
    content = path.read_bytes()
    end = content.index(b"PK\x05\x06")
    place = struct.unpack("<LL", content[end + 12:end + 20])        # bytes and start of the list
    path.write_bytes(content[:end] + ENDS[kind](2, place))
    arrays = read_arrays(path, "inputs")
    assert arrays["x"].tolist() == [0, 1, 2, 3, 4, 5] and arrays["scale"] == 0.5
    path.write_bytes(content[:end] + ENDS[kind](3, place))
    with pytest.raises(InputError, match="its last record promises 3 arrays, and 2 are listed"):
        read_arrays(path, "inputs")
