# SPDX-License-Identifier: Apache-2.0
"""JSON and TOML of others: what is refused, how, and that nothing else is."""
import json
import os
import pickle
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.errors import UntrustedError
from openeie.core.host.untrusted import (Limits, parse_json, parse_toml, read_json, read_regular,
                                         read_toml)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-10**299, 10**299) | FINITE | st.text(
        st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(
        st.characters(exclude_categories=["Cs"])), inner), max_leaves=20)


@given(VALUES)
def test_what_json_can_hold_comes_back(value):
    assert parse_json(json.dumps(value), "x") == value


@given(st.text(st.sampled_from("\"'\\[]{}#=,.\n a1"), max_size=40))
def test_toml_is_tomllib_within_the_limits(text):
    """Whatever strings and comments hold: brackets in them are no levels."""
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        expected = None
    try:
        assert parse_toml(text, "x") == expected
    except UntrustedError:
        assert expected is None


@pytest.mark.parametrize("text", ['"[[[["', "'{{{{'", '"""[[[["""', "'''[[[['''", '"""[[["""""',
                                  "'''[['''''", '"""\\"""[["""', '"\\"[[["', '""', "''"])
def test_brackets_in_strings_are_no_levels(text):
    shallow = Limits(depth=2)
    for more in ("", " # [[[[[ ' \" '''"):
        line = f"a = [{text}, {text}]{more}\nb = [[1]]\n"
        assert parse_toml(line, "x", Limits(depth=3)) == tomllib.loads(line)
        with pytest.raises(UntrustedError, match="lists and tables may be 2 deep, not more"):
            parse_toml(line + "c = [[[1]]]", "x", shallow)
    assert parse_json('["[[[[", "\\"[[["]', "x", shallow) == ["[[[[", '"[[[']


@pytest.mark.parametrize("parse, text, rule", [
    (parse_json, "[" * 100_000, r"lists and tables may be 64 deep, not more \(line 1\)"),
    (parse_json, "\n" + '{"a":' * 65, r"64 deep, not more \(line 2\)"),
    (parse_toml, "a = " + "[" * 100_000, "64 deep"),
    (parse_toml, "a = " + "{b=" * 100_000, "64 deep"),
    (parse_toml, "a." * 100_000 + "b = 1", "64 deep"),
    (parse_toml, "[" + "a." * 100_000 + "b]", "64 deep"),
    (parse_toml, 'a="""x""""  , ' + "[" * 100_000, "64 deep"),
    (parse_toml, "[a.b]\n" + ".".join("c" * 60) + " = {" + ".".join("d" * 60) + " = 1}",
     "64 deep"),
    (parse_json, "[1e400]", "a number must be finite, not 1e400"),
    (parse_json, "[-Infinity]", "a number must be finite, not -Infinity"),
    (parse_json, "NaN", "a number must be finite, not NaN"),
    (parse_toml, "a = -inf", "a number must be finite, not -inf"),
    (parse_toml, "a = 1e400", "a number must be finite, not 1e400"),
    (parse_json, "9" * 301, "an integer may have 300 digits, not 301"),
    (parse_json, "[-" + "9" * 100_000 + "]", "an integer may have 300 digits, not 100,001"),
    (parse_toml, "a = " + "9" * 301, "an integer may have 300 digits, not more"),
    (parse_toml, "a = " + "9" * 5000, "an integer may have 300 digits, not thousands"),
    (parse_toml, "a = 0x" + "f" * 100_000, "an integer may have 300 digits, not more"),
    (parse_json, '{"a": 1, "b": {"c": 2, "c": 3}}', "key 'c' occurs twice"),
    (parse_toml, "a = 1\na = 2", "Cannot overwrite a value"),
    (parse_json, '"\\ud800"', "surrogates not allowed"),
    (parse_json, '{"\\ud800": 1}', "surrogates not allowed"),
    (parse_json, b'"\xff"', "it is not text in UTF-8"),
    (parse_json, "", "Expecting value"),
    (parse_json, "1 2", "Extra data"),
    (parse_json, " " * (1 << 20) + "1", "it has 1,048,577 bytes, and 1,048,576 are read"),
    (parse_json, "[" + "1," * 140_000 + "1]", "it may have 131,072 values, not more")])
def test_what_is_refused(parse, text, rule):
    with pytest.raises(UntrustedError, match=f"^x: .*{rule}") as caught:
        parse(text, "x")
    assert caught.value.source == "x" and len(str(caught.value)) < 200
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.rule, again.value) == (
        str(caught.value), caught.value.rule, caught.value.value)


@pytest.mark.parametrize("read", [read_json, read_toml, lambda path: read_regular(path, 10)])
def test_only_regular_files_are_read(read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "a pipe"), (tmp_path / "link", "a pipe"),
                       ("/dev/zero", "a device"), (tmp_path, "a folder")):
        with pytest.raises(UntrustedError, match=f"{path}: it must be a regular file, not {kind}"):
            read(path)
    for path, message in ((tmp_path / "none", "none: No such file or directory"),
                          (tmp_path / "pipe" / "x", "Not a directory"), ("a\0b", "null")):
        with pytest.raises(UntrustedError, match=message):
            read(path)


def test_a_file_is_read_to_its_limit_and_no_further(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"1234567890")
    (tmp_path / "link").symlink_to(path)
    assert read_regular(tmp_path / "link", 10) == b"1234567890"
    with pytest.raises(UntrustedError, match="f: it has more than the 9 bytes that are read"):
        read_regular(path, 9)


def test_refusals_take_no_longer_than_reading():
    """Each of these took minutes: the one doubled key among many, and a key of quoted parts."""
    doubled = ",".join(f'"{number}": 0' for number in range(90_000))
    with pytest.raises(UntrustedError, match="key '7' occurs twice"):
        parse_json(f'{{{doubled}, "7": 1}}', "file")
    with pytest.raises(UntrustedError, match="lists and tables may be 64 deep"):
        parse_toml(".".join(['"a"'] * 200_000) + " = 1", "file")
