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
    for content in (b"", b"short", b"SOMETHING else that is long enough", scoreboard.HEAD.pack(b"QUARTET\0", 1, 448)):
        (directory / "quartet-1").write_bytes(content)
        assert Scoreboard(1, tmp_path).counts() is None


def test_slots_that_nobody_has_taken_end_the_sum(tmp_path):
    path = tmp_path / scoreboard.DIRECTORY / "quartet-1"
    path.parent.mkdir(parents=True)
    nothing = (*[0] * len(scoreboard.PHASES), 0, b"", 0, 0, b"")
    slots = [
        scoreboard.SLOT.pack(4321, generation, 2, count, *nothing).ljust(448, b"\0")
        for generation, count in ((1, 5), (2, 7), (0, 99))
    ]
    head = scoreboard.HEAD.pack(scoreboard.MAGIC, scoreboard.VERSION, 448).ljust(scoreboard.HEAD_BYTES, b"\0")
    path.write_bytes(head + b"".join(slots))
    assert Scoreboard(1, tmp_path).counts() == Counts(4, 12)


def test_the_format_is_the_servers_own():
    source = Path(__file__).parents[2] / "common/scoreboard/scoreboard.cpp"
    assert f"kVersion = {scoreboard.VERSION};" in source.read_text()
