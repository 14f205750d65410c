# SPDX-License-Identifier: Apache-2.0
"""The page in a browser: no errors, and nothing wider than a phone."""
import html
import re
import shutil
import subprocess

import pytest
from openeie.sim.report.page import render
from support.report_pages import example, lenet

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")]


def browse(path, folder, *options):
    """The result of a headless browser that has loaded a page."""
    return subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         "--v=0", f"--user-data-dir={folder / 'profile'}", *options, path.as_uri()],
        capture_output=True, text=True, timeout=60)


def widths(page, folder, width):
    """A page in a frame of a given width: the width it needs and the width it has."""
    path = folder / "frame.html"
    path.write_text(f'''<!doctype html><body><iframe width="{width}" height="800"
        style="border:0" srcdoc="{html.escape(page)}"></iframe><script>
        onload = () => {{ const root = frames[0].document.documentElement;
        document.body.dataset.widths = root.scrollWidth + " " + root.clientWidth; }}
        </script>''')
    done = browse(path, folder, "--dump-dom", "--virtual-time-budget=5000")
    return tuple(map(int, re.search(r'data-widths="(\d+) (\d+)"', done.stdout).groups()))


def pages(rng):
    yield render(example(rng)[1]).decode()
    yield render(lenet()[-1], lenet("EIE64")[-1]).decode()
    yield render(example(rng, name="a/name/that/is/long/" * 4, array="x" * 60)[1]).decode()


@pytest.mark.parametrize("width", [390, 320])
def test_nothing_is_wider_than_a_phone(tmp_path, rng, width):
    for page in pages(rng):
        wanted, has = widths(page, tmp_path, width)
        assert has <= width and wanted <= has


def test_something_too_wide_is_noticed(tmp_path, rng):
    page = next(pages(rng)).replace("<main>", '<main><div style="width:500px">x</div>')
    wanted, has = widths(page, tmp_path, 390)
    assert wanted > has


def test_the_browser_does_not_complain(tmp_path, rng):
    for number, page in enumerate(pages(rng)):
        path = tmp_path / f"{number}.html"
        path.write_text(page)
        done = browse(path, tmp_path, f"--screenshot={tmp_path / 'page.png'}")
        assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
        assert "CONSOLE" not in done.stderr


def test_a_complaint_is_noticed(tmp_path):
    path = tmp_path / "bad.html"
    path.write_text("<!doctype html><script>console.error('x')</script>")
    assert "CONSOLE" in browse(path, tmp_path, "--dump-dom").stderr
