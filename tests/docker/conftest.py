"""With a real engine; tests/run skips all of this, and says so, where none answers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from loadtest.places import containers
from loadtest.system import cpus
from loadtest.verbs import registry  # noqa: F401  folders of all verbs can be read
from loadtest.verbs.load.plan import Settings
from loadtest.verbs.tour.plan import CONTESTANTS, SATURATING

TOUR = Settings(CONTESTANTS, SATURATING, {1: cpus.split(os.sched_getaffinity(0))})


@pytest.fixture(scope="session", autouse=True)
def images() -> dict[str, str]:
    assert (containers.missing() or containers.missing_base_image()) == ""
    return {target: containers.build(target) for target in ("server", "load")}


@pytest.fixture
def place(images: dict[str, str], tmp_path: Path) -> Iterator[containers.Containers]:
    """Containers of this test run; what a test leaves is removed."""
    running = containers.Containers(tmp_path / "servers.log")
    running.images = images
    yield running
    running.close()


@pytest.fixture
def small(place: containers.Containers) -> containers.Containers:
    """Servers with very little memory."""
    return replace(place, memory_limit=32)


def ours(run: str = "") -> list[str]:
    """Containers of that run, or of any."""
    return [name for name, label in containers.labelled().items() if run in ("", label)]


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Polls until it holds or the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class MainJob:
    """`loadtest/run --runner docker`, as a program."""

    def __init__(self, directory: Path) -> None:
        self.out = directory / "out"  # of the latest run
        self._errors = directory / "stderr"
        self._runs = 0

    def start(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        self._runs += 1
        self.out = self.out.with_name(f"out-{self._runs}")
        argv = [str(ROOT / "loadtest/run"), "--runner", "docker", "--out", str(self.out), *arguments]
        with self._errors.open("w") as errors:
            return subprocess.Popen(
                argv, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **(environment or {})}
            )

    def errors(self) -> str:
        return self._errors.read_text()

    def run_of(self, process: subprocess.Popen[str]) -> str:
        """The label of its containers: loadtest/run becomes the harness by exec."""
        stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
        return f"{process.pid}-{stat[19]}"


@pytest.fixture
def main_job(tmp_path: Path) -> MainJob:
    return MainJob(tmp_path)
