"""The whole harness, as a program, with stand-ins for the servers and for wrk."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import samples
from conftest import FAKES, PATIENCE, ROOT, eventually, is_alive

from loadtest.engine import folder, measurement
from loadtest.engine.run import Exit, Failure, Run
from loadtest.engine.runner import remaining
from loadtest.places.launch import Local


class Harness:
    """`python3 -m loadtest` with stand-ins first on its PATH."""

    def __init__(self, binaries: Path, tmp_path: Path) -> None:
        self.out = tmp_path / "out"
        self.pids = tmp_path / "pids"
        self.pids.mkdir()
        self._errors = tmp_path / "stderr"
        self._binaries = binaries
        self.environment = {
            **os.environ,
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "FAKE_PIDS": str(self.pids),
            "FAKE_CROWD": "64",
            "COLUMNS": "200",
        }

    def start(self, *arguments: str, where: Sequence[str] | None = None) -> subprocess.Popen[str]:
        where = ["--bin", str(self._binaries)] if where is None else where
        out = [] if "--resume" in arguments else ["--out", str(self.out)]
        argv = [sys.executable, "-m", "loadtest", *where, *out, *arguments]
        with self._errors.open("w") as errors:
            return subprocess.Popen(argv, env=self.environment, stdout=subprocess.PIPE, stderr=errors, text=True)

    def run_in_docker(self, *arguments: str) -> tuple[int, str, str]:
        return self.run(*arguments, where=["--runner", "docker"])

    def run(self, *arguments: str, where: Sequence[str] | None = None) -> tuple[int, str, str]:
        process = self.start(*arguments, where=where)
        output = process.communicate(timeout=PATIENCE)[0]
        return process.returncode, output, self.errors()

    def errors(self) -> str:
        return self._errors.read_text()

    def results(self) -> Run:
        return folder.load(self.out)

    def servers(self) -> list[int]:
        return [int(path.name) for path in self.pids.iterdir()]


@pytest.fixture
def harness(binaries, tmp_path) -> Harness:
    return Harness(binaries, tmp_path)


SHORT = ("--smoke", "--only", "prefork,epoll")


def expected_status(found: Run) -> Exit:
    """The real quartet-pace says so when this machine gave it too little CPU time, and a crash when others worked
    beside it: then the run is invalid, by its own rule. Any other problem is a fault here."""
    problems = [problem for result in found.results for problem in result.problems]
    known = ("the schedule was not kept", "others took ")
    assert all(problem.startswith(known) for problem in problems), problems
    cells = {(result.step.contestant, result.step.what) for result in found.results}
    valid = {(result.step.contestant, result.step.what) for result in found.results if not result.problems}
    return Exit.ok if cells == valid else Exit.invalid


def test_a_run_measures_every_step_and_leaves_no_process(harness):
    status, output, errors = harness.run(*SHORT)
    found = harness.results()
    assert (status, found.state, found.failures) == (expected_status(found), "complete", [])
    assert [(part.measurement, len(part.results)) for part in found.parts] == [
        ("load", 2),
        ("load", 2),
        ("load", 2),
        ("plateaus", 2),
        ("crowd", 3),
        ("crash", 3),
    ]
    assert "How many requests a second" in output
    load = r"plaintext, 16 connections, 1,000 requests/s \(Poisson\), 1 server CPU"
    assert re.search(rf"\[1/14\] round 1, {load}, \d:\d\d left", errors)
    assert not any(is_alive(pid) for pid in harness.servers())


def test_results_name_every_command_and_where_they_come_from(harness):
    harness.run("--smoke", "--only", "threads")
    found = harness.results()
    paced, load = (found.parts[number].results[0] for number in (0, 1))
    assert "taskset" in load.server_command and "--workers 18" in load.server_command
    assert "wrk -t1 -c16 -d1s" in load.client.command
    assert "quartet-pace" in paced.client.command and "--rate 1000" in paced.client.command
    assert found.environment.versions["quartet-threads"] == "fake 1.0"
    assert found.environment.versions["wrk"] == "fake-1.0"
    assert found.environment.cpus == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_keeps_what_was_measured(harness, number):
    process = harness.start(*SHORT, "--rounds", "50")
    # two steps are on record, the third is under way
    assert eventually(lambda: (harness.out / "results.json").exists() and len(harness.results().results) >= 2, PATIENCE)
    process.send_signal(number)
    output = process.communicate(timeout=PATIENCE)[0]
    found = harness.results()
    assert (process.returncode, found.state) == (130, "interrupted")
    assert len(found.results) >= 2
    assert "INTERRUPTED" in output and "What does a request cost" in output
    assert eventually(lambda: not any(is_alive(pid) for pid in harness.servers()))


def test_an_interrupted_run_is_completed_by_resume(harness):
    process = harness.start(*SHORT, "--rounds", "3")
    assert eventually(lambda: (harness.out / "results.json").exists() and len(harness.results().results) >= 2, PATIENCE)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    first = harness.results()
    status, _, _ = harness.run("--resume", str(harness.out), "--rounds", "99")  # by its own options
    found = harness.results()
    assert (status, found.state) == (expected_status(found), "complete")
    assert [part.settings for part in found.parts] == [part.settings for part in first.parts]
    for after, before in zip(found.parts, first.parts):
        assert after.results[: len(before.results)] == before.results
    assert remaining(found) == []


def test_resuming_what_is_not_there_is_a_usage_error(harness):
    status, _, errors = harness.run("--resume", str(harness.out / "nowhere"))
    assert (status, errors.count("\n")) == (2, 1) and "cannot read" in errors


def test_a_background_job_can_be_interrupted_too(harness):
    """A shell starts it with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = harness.start(*SHORT, "--rounds", "50")
    finally:
        signal.signal(signal.SIGINT, before)
    assert eventually(lambda: (harness.out / "results.json").exists(), PATIENCE)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert (process.returncode, harness.results().state) == (130, "interrupted")


def test_a_contestant_that_does_not_start_is_left_out_and_the_run_fails(harness):
    harness.environment["FAKE_SERVER"] = "broken"
    status, output, _ = harness.run(*SHORT)
    assert status == 1
    assert [failure.contestant for failure in harness.results().failures] == ["prefork", "epoll"]
    assert "Permission denied" in output


def test_errors_that_the_clients_met_are_a_result(harness):
    harness.environment["FAKE_WRK"] = "errors"
    status, output, _ = harness.run("--smoke", "--only", "epoll")
    assert status == expected_status(harness.results())
    assert "/plaintext: epoll: the clients met errors: 3 read." in output


def test_a_server_that_ends_badly_is_quoted(harness):
    harness.environment["FAKE_SERVER"] = "sloppy"
    status, output, _ = harness.run("--smoke", "--only", "epoll")
    assert status == 1
    assert "/plaintext: epoll: invalid, the server exited with status 3: drained." in output
    assert (
        "FAILED epoll (round 1, memory: epoll; left out after it): the server exited with status 3: drained" in output
    )


def test_json_is_what_the_file_holds(harness):
    status, output, _ = harness.run("--smoke", "--only", "epoll", "--json")
    assert status == expected_status(harness.results())
    assert output == (harness.out / "results.json").read_text()
    assert json.loads(output)["state"] == "complete"


def test_a_dry_run_starts_nothing(harness):
    status, output, _ = harness.run("--dry-run", *SHORT)
    assert status == 0
    assert "# prefork: plaintext, 16 connections, 1 server CPU\n" in output
    assert "quartet-fork --mode prefork --listen 127.0.0.1:8080" in output
    assert "--fault 400ms:/fault/segv" in output
    assert not harness.out.exists()
    assert harness.servers() == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--only", "apache"), "there is no contestant 'apache'; there are fork-per-request, prefork"),
        (("--duration", "1.5s"), "--duration 1.5s: wrk takes whole seconds, such as 2s"),
        (("--duration", "0"), "wrk takes whole seconds"),
        (("--rounds", "0"), "--rounds"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_usage_errors_say_what_would_be_right(harness, arguments, sentence):
    status, output, errors = harness.run(*arguments)
    assert (status, output) == (2, "")
    assert sentence in errors


def test_a_missing_server_is_an_error_of_the_environment_with_its_fix(harness, binaries):
    (binaries / "quartet-epoll").unlink()
    status, _, errors = harness.run("--smoke")
    assert status == 5
    assert "quartet-epoll is missing; loadtest/setup.sh build && cmake --preset release" in errors


def test_a_missing_wrk_is_an_error_of_the_environment_with_its_fix(harness, binaries, tmp_path):
    (binaries / "wrk").unlink()
    harness.environment["PATH"] = str(binaries)
    status, _, errors = harness.run("--smoke")
    assert status == 5
    assert "wrk is not installed; apt-get install wrk" in errors


def test_a_place_without_wrk_lacks_nothing_for_who_does_not_use_it(binaries, tmp_path, monkeypatch):
    place = Local(binaries, tmp_path / "log")
    assert list(place.versions(["quartet-epoll"])) == ["quartet-epoll"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert place.missing(["quartet-epoll", "quartet-pace"]) == ""
    assert place.missing(["quartet-epoll", "wrk"]) == "wrk is not installed; apt-get install wrk"


def test_a_directory_that_cannot_be_made_is_an_error_of_the_environment(harness):
    harness.out.write_text("a file")
    harness.out = harness.out / "below"
    status, _, errors = harness.run("--smoke")
    assert status == 5
    assert errors == f"loadtest/run: {harness.out}: Not a directory; choose another with --out\n"


def test_a_folder_that_is_not_free_is_a_usage_error(harness):
    harness.out.write_text("a file")
    assert harness.run("--smoke")[::2] == (2, f"loadtest/run: --out {harness.out}: this is no folder\n")
    harness.out.unlink()
    harness.out.mkdir()
    (harness.out / "diary").touch()
    assert harness.run("--dry-run")[::2] == (2, f"loadtest/run: --out {harness.out}: this folder is not empty\n")
    (harness.out / "results.json").touch()
    status, _, errors = harness.run("--smoke")
    assert status == 2
    sentence = f"there is a run in it; --resume {harness.out} goes on with it"
    assert errors == f"loadtest/run: --out {harness.out}: {sentence}\n"
    assert sorted(path.name for path in harness.out.iterdir()) == ["diary", "results.json"]


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("down", "loadtest/run: the Docker engine is not running; sudo systemctl start docker"),
        ("forbidden", "loadtest/run: you may not use the Docker engine; sudo usermod"),
        ("bare", "nor can it be pulled (Get https://registry-1.docker.io/v2/: no route to host); make it with docker/"),
    ],
)
def test_an_engine_that_cannot_be_used_is_an_error_of_the_environment(harness, binaries, behaviour, sentence):
    (binaries / "docker").symlink_to(FAKES / "docker.py")
    harness.environment["FAKE_DOCKER"] = behaviour
    status, output, errors = harness.run_in_docker("--smoke")
    assert (status, output) == (5, "")
    assert sentence in errors and "Traceback" not in errors
    assert not harness.out.exists()


def test_a_missing_docker_is_an_error_of_the_environment_with_its_fix(harness, binaries):
    harness.environment["PATH"] = str(binaries)
    status, _, errors = harness.run_in_docker("--smoke")
    assert status == 5
    assert "docker is not installed; apt-get install docker.io" in errors


def test_images_that_do_not_build_are_a_failure(harness, binaries):
    (binaries / "docker").symlink_to(FAKES / "docker.py")
    harness.environment["FAKE_DOCKER_CONTAINERS"] = os.devnull
    status, _, errors = harness.run_in_docker("--smoke")
    assert status == 1
    assert "Unable to locate package nonsense" in errors


def test_servers_built_elsewhere_cannot_run_in_docker(harness):
    status, _, errors = harness.run("--runner", "docker")
    assert status == 2
    assert "--bin is for --runner local" in errors


def test_help_documents_the_exit_statuses(harness):
    status, output, _ = harness.run("--help")
    assert "[x>=1]" in output and "\\[" not in output
    assert status == 0
    assert all(word in " ".join(output.split()) for word in ("4 measured, but", "130 interrupted", "--dry-run"))


def test_failure_outranks_invalidity():
    assert measurement.status(samples.tour()) == Exit.ok
    found = samples.tour()
    for trial in found.parts[0].of("epoll"):
        trial.problems = ["bad"]
    assert measurement.status(found) == Exit.invalid
    assert measurement.status(replace(found, failures=[Failure("epoll", "", "")])) == Exit.failed
