from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from loadtest.contestants.contestants import MODELS  # noqa: E402
from loadtest.system import processes  # noqa: E402
from loadtest.verbs import registry  # noqa: E402, F401  folders of all verbs can be read

BINARIES = ROOT / "build/release/bin"
FAKES = Path(__file__).with_name("fakes")
SERVER = [str(FAKES / "server.py")]
PATIENCE = 240.0  # seconds for a program of ours to do its work; what fails there is hung, not slow


@pytest.fixture
def binaries(tmp_path: Path) -> Path:
    """A directory with a stand-in for every server, and for wrk, beside the real quartet-pace."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for contestant in MODELS:
        target = directory / contestant.executable
        if not target.exists():
            target.symlink_to(FAKES / "server.py")
    (directory / "wrk").symlink_to(FAKES / "wrk.py")
    (directory / "quartet-pace").symlink_to(BINARIES / "quartet-pace")
    return directory


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "servers.log"


@pytest.fixture
def server(log: Path) -> Iterator[processes.Server]:
    with processes.Server([*SERVER, "--enable-faults"], log) as running:
        yield running


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert not processes._live


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Polls until it holds or the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # nobody may have reaped it here
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
