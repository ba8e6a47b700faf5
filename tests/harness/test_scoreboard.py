"""What a server counts, read from its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import BINARIES

from loadtest.clients import stats
from loadtest.system import scoreboard
from loadtest.system.processes import Server
from loadtest.system.scoreboard import Counts, Scoreboard


@pytest.mark.parametrize(
    "command",
    [
        ["quartet-epoll"],
        ["quartet-fibers", "--workers", "2"],
        ["quartet-threads"],
        ["quartet-fork", "--workers", "3"],
        ["quartet-fork", "--mode", "per-request"],
    ],
)
def test_every_request_is_counted_once_in_every_model(tmp_path, command):
    argv = [str(BINARIES / command[0]), *command[1:], "--listen", "127.0.0.1:0"]
    with Server(argv, tmp_path / "log") as server:
        board = server.scoreboard()
        before = board.counts()
        for _ in range(7):
            assert stats.get(server.address, "/plaintext", 5.0) == b"Hello, World!"
        assert (before, board.counts()) == (Counts(0, 0), Counts(7, 7))
        server.stop()
        assert board.counts() == Counts(7, 7), "it has removed the file, which is still open here"
        board.close()


def test_a_file_that_is_none_or_another_version_or_not_there_tells_nothing(tmp_path):
    directory = tmp_path / "dev/shm"
    directory.mkdir(parents=True)
    assert Scoreboard(1, tmp_path).counts() is None
    for content in (
        b"",
        b"short",
        b"SOMETHING else that is long enough",
        scoreboard.HEAD.pack(b"QUARTET\0", 1, SLOT_BYTES),
    ):
        (directory / "quartet-1").write_bytes(content)
        assert Scoreboard(1, tmp_path).counts() is None


IDLE = (0, b"", 0, 0, b"")  # no handler runs, nobody has died
SLOT_BYTES = 512


def slot(generation: int, requests: int, *rest: object) -> bytes:
    return scoreboard.SLOT.pack(4321, generation, 2, requests, *rest).ljust(SLOT_BYTES, b"\0")


def write(path: Path, slots: list[bytes]) -> None:
    head = scoreboard.HEAD.pack(scoreboard.MAGIC, scoreboard.VERSION, SLOT_BYTES).ljust(scoreboard.HEAD_BYTES, b"\0")
    path.write_bytes(head + b"".join(slots))


def test_slots_that_nobody_has_taken_end_the_sum(tmp_path):
    path = tmp_path / scoreboard.DIRECTORY / "quartet-1"
    path.parent.mkdir(parents=True)
    nothing = (*[0] * 2 * len(scoreboard.PHASES), *IDLE)
    write(path, [slot(generation, count, *nothing) for generation, count in ((1, 5), (2, 7), (0, 99))])
    assert Scoreboard(1, tmp_path).counts() == Counts(4, 12)


def test_a_connection_counts_where_it_has_gone_and_no_more_where_it_was(tmp_path):
    path = tmp_path / scoreboard.DIRECTORY / "quartet-1"
    path.parent.mkdir(parents=True)
    left, seen_too_early = (0, 5, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0), (0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2)
    write(path, [slot(1, 5, *left, *IDLE), slot(1, 5, *seen_too_early, *IDLE)])
    phases = Scoreboard(1, tmp_path).phases()
    assert {phase: count for phase, count in phases.items() if count} == {"reading": 1, "idle": 3}


def test_the_format_is_the_servers_own():
    source = Path(__file__).parents[2] / "common/scoreboard/scoreboard.cpp"
    assert f"kVersion = {scoreboard.VERSION};" in source.read_text()
