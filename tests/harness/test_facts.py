"""What the servers say of themselves, and what is said when they do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import samples
from conftest import BINARIES

from loadtest.contestants.contestants import MODELS, Contestant, Facts, described, modes
from loadtest.places import launch
from loadtest.places.launch import Local
from loadtest.system import MeasurementError

PREFORK = Facts("prefork", "process", one_client_per_worker=True, many_workers=True, has_parent=True)


def test_the_default_mode_is_the_first():
    assert modes("quartet-fork", samples.DESCRIBE)[0] == PREFORK
    arguments = ((), ("--mode", "prefork"), ("--mode=per-request",))
    forks = described([Contestant("fork", "quartet-fork", words) for words in arguments], samples.DESCRIBE)
    assert forks[0].known == forks[1].known == PREFORK
    assert forks[2].known.mode == "per-request"


def test_a_pool_and_loops_follow_from_what_a_worker_serves():
    pools = [one.name for one in samples.MODELS if one.known.pool]
    loops = [one.name for one in samples.MODELS if one.known.many_loops]
    assert (pools, loops) == (["prefork", "threads"], ["coroutines", "multiprocess", "fibers"])
    assert [one.name for one in samples.MODELS if one.known.hands_over] == ["helpers"]
    assert [one.name for one in samples.MODELS if one.known.work_stealing] == ["fibers"]


def test_limits_and_peers_have_the_facts_of_their_model():
    for name, model in (
        ("bare-coroutines", "coroutines"),
        ("nginx", "epoll"),
        ("apache-worker", "threads"),
        ("nginx-threads", "helpers"),
        ("beast-coroutines", "fibers"),
    ):
        assert samples.BY_NAME[name].facts == samples.BY_NAME[model].facts


def test_each_server_is_asked_once_and_who_is_known_not_again():
    asked: list[str] = []

    def describe(executable: str) -> str:
        asked.append(executable)
        return samples.DESCRIBE(executable)

    known = described(MODELS, describe)
    assert sorted(asked) == sorted({one.executable for one in MODELS})
    assert described(known, describe) == known and len(asked) == 7


def built() -> Iterator[tuple[str, str]]:
    """Executable and mode of every server that describes itself."""
    for path in BINARIES.glob("quartet-*"):
        try:
            there = modes(path.name, samples.DESCRIBE)
        except MeasurementError:
            continue  # a tool
        yield from ((path.name, one.mode) for one in there)


def test_the_table_of_models_is_that_of_the_servers():
    assert sorted(built()) == sorted((one.executable, one.known.mode) for one in samples.MODELS)
    assert all(one.mode == one.known.mode for one in samples.MODELS)


# --- servers that do not describe themselves


def problem(directory: Path, script: str | None) -> str:
    """Of reading the description that the script prints."""
    if script is not None:
        server = directory / "quartet-epoll"
        server.write_text(f"#!/bin/sh\n{script}\n")
        server.chmod(0o755)
    with pytest.raises(MeasurementError) as caught:
        modes("quartet-epoll", Local(directory, directory / "log").describe)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_server_is_a_sentence_that_says_how_to_build_it(tmp_path):
    assert problem(tmp_path, None) == (
        f"{tmp_path}/quartet-epoll is missing; loadtest/setup.sh build && "
        "cmake --preset release && cmake --build --preset release --target quartet-programs"
    )


def test_a_server_that_is_too_old_is_quoted(tmp_path):
    said = problem(tmp_path, "echo 'quartet-epoll: The following argument was not expected: --describe' >&2; exit 2")
    assert said.startswith(f"{tmp_path}/quartet-epoll --describe exited with status 2")
    assert said.endswith("argument was not expected: --describe")


@pytest.mark.parametrize(
    "printed", ["listening on 127.0.0.1:80", "", "7", "[]", "{}", '{"modes": []}', '{"modes": [{"name": ""}]}']
)
def test_what_is_no_description_is_refused(tmp_path, printed):
    said = problem(tmp_path, f"echo '{printed}'")
    assert said.startswith("quartet-epoll --describe prints nothing that this harness knows: ")


def test_a_server_that_hangs_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "DESCRIBING", 0.2)
    assert problem(tmp_path, "exec sleep 60") == f"{tmp_path}/quartet-epoll --describe took longer than 0.2 s"
