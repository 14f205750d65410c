# SPDX-License-Identifier: Apache-2.0
"""The cache of builds: a folder for each key, whole, made once, and gone when nobody uses it."""
import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.errors import ToolError
from openeie.sim import build_cache
from openeie.sim.build_cache import cached_folder

DAYS = 24 * 3600


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, which holds builds of the kind ``kind``."""
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path))
    return tmp_path / "kind"


def write(text):
    """A build of one file."""
    return lambda folder: (folder / "made").write_text(text)


def unused_for(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)


def test_a_build_is_made_once_for_its_key(cache):
    first = cached_folder("kind", ["a", "b"], write("first"))
    assert first.parent == cache and (first / "made").read_text() == "first"
    assert cached_folder("kind", ["a", "b"], write("second")) == first
    assert (first / "made").read_text() == "first"


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_keys_that_differ_have_digests_of_their_own(one, other):
    assert (build_cache._digest(one) == build_cache._digest(other)) == (one == other)


def test_where_a_text_ends_counts():
    """A digest of the texts behind one another would not see it."""
    keys = (["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"], ["1 a", "c"], ["1 ", "ac"])
    assert len({build_cache._digest(key) for key in keys}) == len(keys)


def test_a_build_that_fails_leaves_nothing(cache):
    def fail(folder):
        (folder / "made").write_text("half")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        cached_folder("kind", ["a"], fail)
    assert not list(cache.iterdir())
    assert (cached_folder("kind", ["a"], write("whole")) / "made").read_text() == "whole"


def test_who_is_second_waits_and_takes_the_firsts_result(cache):
    begun, made = threading.Event(), []

    def slow(name):
        def build(folder):
            made.append(name)
            begun.set()
            time.sleep(0.3)
            write(name)(folder)
        return build
    threads = [threading.Thread(target=cached_folder, args=("kind", ["a"], slow(name)))
               for name in ("one", "two")]
    threads[0].start()
    begun.wait()
    threads[1].start()
    for thread in threads:
        thread.join()
    assert made == ["one"]


@pytest.mark.parametrize("error", [NotImplementedError, PermissionError])
def test_without_locks_the_first_result_is_kept(cache, monkeypatch, error):
    def none(self):
        raise error
    monkeypatch.setattr(build_cache.FileLock, "acquire", none)

    def slower(folder):
        other = cached_folder("kind", ["a"], write("faster"))
        assert other == cache / other.name
        write("slower")(folder)
    final = cached_folder("kind", ["a"], slower)
    assert (final / "made").read_text() == "faster" and list(cache.iterdir()) == [final]


def test_many_processes_at_once_find_it_whole(cache):
    """Each makes the same thirty builds; whatever any of them gets is complete."""
    code = """
import sys, time
from openeie.sim.build_cache import cached_folder
def build(folder):
    for part in range(20):
        (folder / str(part)).write_text("x" * 1000)
        time.sleep(0.0002)
    with open(sys.argv[1], "a") as file:
        file.write("+")
for number in range(30):
    folder = cached_folder("kind", [str(number)], build)
    assert [len((folder / str(part)).read_text()) for part in range(20)] == [1000] * 20
"""
    count = cache.parent / "count"
    running = [subprocess.Popen([sys.executable, "-c", code, str(count)]) for _ in range(3)]
    assert [process.wait() for process in running] == [0] * 3
    assert count.read_text() == "+" * 30 and len(list(cache.iterdir())) == 30


def test_what_nobody_uses_is_removed_a_month_later(cache):
    used, unused, young = (cached_folder("kind", [name], write(name)) for name in "abc")
    for folder in (used, unused):
        unused_for(folder, 31 * DAYS)
    unused_for(young, 29 * DAYS)
    lock = cache.parent / "locks" / unused.name
    unused_for(lock, 31 * DAYS)
    cached_folder("kind", ["a"], write("again"))        # is there, and counts as used
    assert unused.is_dir()                              # nothing is removed where nothing is built
    new = cached_folder("kind", ["d"], write("new"))
    assert sorted(cache.iterdir()) == sorted([used, young, new])
    assert not lock.exists() and (used / "made").read_text() == "a"
    assert (cached_folder("kind", ["b"], write("anew")) / "made").read_text() == "anew"


def test_builds_of_other_kinds_are_left_alone(cache):
    other = cached_folder("other", ["a"], write("other"))
    unused_for(other, 31 * DAYS)
    assert cached_folder("kind", ["a"], write("mine")) != other
    assert other.is_dir()


def test_a_full_disk_is_a_clear_error(cache):
    def full(folder):
        raise OSError(28, "No space left on device")
    with pytest.raises(ToolError, match="No space left on device; name another one in OPENEIE_C"):
        cached_folder("kind", ["a"], full)
    assert not list(cache.iterdir())
