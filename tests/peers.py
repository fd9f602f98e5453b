"""The other sides: programs that Muster did not bring and that share no code with it.

A test that wants one is marked `peer`. Where the program is missing it is skipped with the reason, but it fails when
CI=true: there everything must be there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

SOURCES = Path(__file__).parent.parent / "bench" / "peers"
NODE_SMPP = "smpp@0.5.1"


def need(program: str) -> str:
    """The path of `program`; without it the test ends here."""
    path = shutil.which(program)
    if path is None:
        missing(f"{program} is not installed")
    return path


def missing(reason: str) -> NoReturn:
    """End the test: skipped on a desk, failed in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def smsc_sim() -> str:
    """The path of the C message centre, compiled when needed."""
    return _compiled("smsc_sim")


def loadtool() -> str:
    """The path of the C load tool, compiled when needed."""
    return _compiled("loadtool")


def poster() -> str:
    """The path of the C program that posts messages over HTTP, compiled when needed."""
    return _compiled("poster")


def node_smpp() -> tuple[str, Path]:
    """The path of node and a folder in which `require("smpp")` works."""
    node, npm = need("node"), need("npm")
    folder = _folder()
    if not (folder / "node_modules" / "smpp").is_dir():
        command = [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(folder), NODE_SMPP]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            missing(f"npm could not install {NODE_SMPP}: {done.stderr.strip()[-200:]}")
    return node, folder


@cache
def _compiled(name: str) -> str:
    source = SOURCES / f"{name}.c"
    program = _folder() / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        half = program.with_suffix(f".{os.getpid()}")  # another run may be compiling as well
        subprocess.run([need("cc"), "-O2", "-o", str(half), str(source)], check=True, timeout=120)
        half.replace(program)
    return str(program)


@cache
def _folder() -> Path:
    """Where what was built stays until the machine is restarted."""
    folder = Path(tempfile.gettempdir()) / f"muster-peers-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
