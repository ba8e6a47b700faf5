"""loadtest/quartet as a program, with stand-ins for the servers, wrk and quartet-pace."""

from __future__ import annotations

import csv
import datetime
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import samples
from conftest import FAKES, PATIENCE, ROOT, children, eventually, is_alive

from loadtest.cli import commands
from loadtest.contestants.contestants import MODELS, select
from loadtest.engine import environment, folder, runner
from loadtest.engine.run import Exit, Part, Run, Stop
from loadtest.engine.runner import Session
from loadtest.places import launch
from loadtest.places.launch import Local
from loadtest.system import processes
from loadtest.system.cpus import CpuSets
from loadtest.verbs.load.verb import THROUGHPUT

ONE = ("--only", "epoll", "--rounds", "1", "-d", "1s")
SHORT = ("--only", "prefork,epoll", "--rounds", "2", "-d", "1s")
# of a work tree that nobody changes while it is tested: --resume refuses another commit
GIT = """#!/bin/sh
case "$*" in *rev-parse*) echo 0123456789ab ;; esac
"""


class Quartet:
    """`python3 -m loadtest.commands` with stand-ins first on its PATH."""

    def __init__(self, binaries: Path, tmp_path: Path) -> None:
        self.out = tmp_path / "out"
        self.pids = tmp_path / "pids"
        self.pids.mkdir()
        self._held = tmp_path / "held"
        self._errors = tmp_path / "stderr"
        self._binaries = binaries
        self.environment = {
            **os.environ,
            "COLUMNS": "120",  # whatever the terminal of the tests has
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "FAKE_PIDS": str(self.pids),
            "FAKE_CROWD": "64",
        }

    def argv(self, verb: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "loadtest.cli", verb, "--bin", str(self._binaries), *arguments]

    def errors(self) -> str:
        return self._errors.read_text()

    def start(self, verb: str, *arguments: str) -> subprocess.Popen[str]:
        where = () if "--resume" in arguments else ("--out", str(self.out))
        argv = self.argv(verb, *where, *arguments)
        with self._errors.open("w") as errors:
            return subprocess.Popen(argv, env=self.environment, stdout=subprocess.PIPE, stderr=errors, text=True)

    def run(self, verb: str, *arguments: str) -> tuple[int, str, str]:
        process = self.start(verb, *arguments)
        output = process.communicate(timeout=PATIENCE)[0]
        return process.returncode, output, self._errors.read_text()

    def results(self) -> Run:
        return folder.load(self.out)

    def interrupt(self, number: int, *arguments: str) -> tuple[int, str]:
        """Amid the load of the third trial."""
        before = dict(self.environment)
        self.environment |= {"FAKE_WRK_HELD": str(self._held), "FAKE_WRK_RESULTS": str(self.out / "results.json")}
        process = self.start(*arguments)
        assert eventually(self._held.exists, PATIENCE)
        process.send_signal(number)
        output = process.communicate(timeout=PATIENCE)[0]
        self.environment = before
        return process.returncode, output

    def servers_are_gone(self) -> bool:
        return eventually(lambda: not any(is_alive(int(path.name)) for path in self.pids.iterdir()))


@pytest.fixture
def quartet(binaries, tmp_path) -> Quartet:
    (binaries / "bare-epoll").symlink_to(FAKES / "server.py")
    (binaries / "quartet-pace").unlink()
    (binaries / "quartet-pace").symlink_to(FAKES / "pace.py")
    (binaries / "git").write_text(GIT)
    (binaries / "git").chmod(0o755)
    return Quartet(binaries, tmp_path)


def test_throughput_measures_every_cell_and_leaves_no_process(quartet):
    status, output, errors = quartet.run("throughput", "--only", "epoll,bare-epoll", "--rounds", "1", "-d", "1s")
    found = quartet.results()
    assert (found.state, found.failures, len(found.results)) == ("complete", [], 2)
    assert [trial.problems for trial in found.results] == [[], []]
    assert status == 0
    assert "How many requests are answered in a second? (plaintext, 16 connections" in output
    assert "[1/2] round 1, plaintext, 16 connections, 1 server CPU, 0:0" in errors
    assert quartet.servers_are_gone()


def test_the_folder_holds_commands_versions_numbers_and_raw_output(quartet):
    output = quartet.run("throughput", "--only", "prefork", "--rounds", "1", "-d", "1s", "--json")[1]
    assert output == (quartet.out / "results.json").read_text()
    found, trial = quartet.results(), quartet.results().results[0]
    assert "--mode prefork --listen 127.0.0.1:0 --workers 18 --max-requests-per-connection 0" in trial.server_command
    assert "wrk -t1 -c16 -d1s" in trial.client.command
    assert found.environment.command.startswith("loadtest/quartet throughput --bin ")
    assert found.environment.versions["quartet-fork"] == "fake 1.0"
    rows = list(csv.DictReader((quartet.out / "cells.csv").open()))
    assert {"throughput", "cpu", "latency p99"} <= {row["metric"] for row in rows}
    raw = list((quartet.out / "raw").iterdir())
    assert [path.name for path in raw] == ["01-prefork-plaintext-c16-cpus1-wrk.json"]
    assert '"requests": 20' in raw[0].read_text()


def test_amid_the_load_memory_is_read_and_clients_with_a_worker_are_counted(quartet):
    quartet.environment |= {"FAKE_CROWD": "0"}
    quartet.run("throughput", "--only", "epoll", "--rounds", "1", "-d", "1s", "-c", "1")
    trial = quartet.results().results[0]
    assert trial.memory.pss > 1 << 20
    assert (trial.clients_served, trial.problems) == (1, [])
    assert trial.newcomers.served > 0


def test_latency_asks_at_a_rate_and_a_missed_gate_is_exit_3(quartet):
    arguments = ("--only", "epoll", "--rounds", "1", "-d", "1s", "--rate", "50")
    status, output, _ = quartet.run("latency", *arguments, "--slo", "p99=1.5ms", "--slo", "p50=1s")
    assert status == 3
    cell = "epoll: plaintext, 16 connections, 50 requests/s (Poisson), 1 server CPU"
    assert f"GATE {cell}: p99 < 1.5 ms is not met" in output
    assert "--rate 50 -c 16 -d 1000ms" in quartet.results().results[0].client.command
    assert output.count("GATE") == 1


def test_a_schedule_that_was_not_kept_is_an_invalid_cell(quartet):
    quartet.environment["FAKE_PACE"] = "late"
    status, output, _ = quartet.run("latency", "--only", "epoll", "--rounds", "1", "-d", "1s", "--rate", "50")
    assert status == 4
    assert "epoll: invalid, the schedule was not kept." in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_marked_valid_and_completed_by_resume(quartet, number):
    status, output = quartet.interrupt(number, "throughput", *SHORT)
    found = quartet.results()
    assert (status, found.state, len(found.results)) == (130, "interrupted", 2)
    assert "INTERRUPTED: the tables hold what was measured until then; --resume goes on." in output
    assert quartet.servers_are_gone()

    status, output, errors = quartet.run("throughput", "--resume", str(quartet.out))
    after = quartet.results()
    assert "cannot resume" not in errors
    assert (status, after.state, len(after.results)) == (0, "complete", 4)
    assert after.results[:2] == found.results
    assert {(trial.step.round, trial.cell.contestant) for trial in after.results} == {
        (number, name) for number in (1, 2) for name in ("prefork", "epoll")
    }
    assert after.seconds > found.seconds
    assert "INTERRUPTED" not in output


def test_what_failed_is_tried_again_by_resume(quartet):
    quartet.environment["FAKE_SERVER"] = "broken"
    status, output, _ = quartet.run("throughput", "--only", "epoll", "--rounds", "1", "-d", "1s")
    assert status == 1
    assert [failure.contestant for failure in quartet.results().failures] == ["epoll"]
    assert (
        "FAILED epoll (round 1, plaintext, 16 connections, 1 server CPU: epoll; left out" in output
        and "Permission denied" in output
    )
    del quartet.environment["FAKE_SERVER"]
    assert quartet.run("throughput", "--resume", str(quartet.out))[0] == 0
    assert (len(quartet.results().results), quartet.results().failures) == (1, [])


def test_a_run_of_another_commit_is_not_gone_on_with(quartet):
    found = samples.trial_run(samples.settings(select(["epoll"], MODELS)), state="interrupted")
    quartet.out.mkdir()
    folder.save(found, quartet.out)
    status, output, errors = quartet.run("throughput", "--resume", str(quartet.out))
    assert (status, output) == (2, "")
    assert errors.startswith("loadtest/quartet: cannot resume: commit was abcdef and is ")
    assert quartet.results() == found


def test_a_missing_server_is_an_error_of_the_environment_with_its_fix(quartet, binaries):
    (binaries / "quartet-epoll").unlink()
    status, _, errors = quartet.run("throughput", *SHORT)
    assert status == 5
    assert "quartet-epoll is missing; loadtest/setup.sh build && cmake --preset release" in errors
    assert not quartet.out.exists()


def test_a_folder_that_is_removed_amid_the_run_costs_the_files_and_not_the_tables(quartet):
    held = {"FAKE_WRK_HELD": str(quartet.pids / "0"), "FAKE_WRK_RESULTS": str(quartet.out / "results.json")}
    quartet.environment |= held
    process = quartet.start("throughput", *SHORT)
    assert eventually((quartet.pids / "0").exists, PATIENCE)
    os.rename(quartet.out, quartet.out.with_name("elsewhere"))
    (wrk,) = [pid for pid in children(process.pid) if "wrk" in Path(f"/proc/{pid}/cmdline").read_text()]
    os.kill(wrk, signal.SIGUSR1)  # it ends
    output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 1
    assert "How many requests are answered in a second?" in output
    assert re.search(r"^loadtest/quartet: .*: No such file or directory$", quartet.errors(), re.MULTILINE)
    assert "Traceback" not in quartet.errors()
    (quartet.pids / "0").unlink()
    assert quartet.servers_are_gone()


# as root, and not in a container without CAP_SYS_ADMIN, nor below a chroot
MAY_MOUNT = subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.skipif(not MAY_MOUNT, reason="nobody may mount a small disk here")
def test_a_full_disk_costs_what_does_not_fit_and_not_the_tables(quartet):
    """And what did fit is a valid file, which says that the run failed."""
    quartet.out.mkdir()
    mount = f"mount -t tmpfs -o size=24k none {quartet.out} && mkdir {quartet.out}/run"
    run = shlex.join([*quartet.argv("throughput", *SHORT), "--out", f"{quartet.out}/run"])
    script = f"{mount} && {run}; echo $? >{quartet.pids}/status; cat {quartet.out}/run/results.json >{quartet.out}.json"
    with open(quartet.out.with_name("stderr"), "w") as errors:
        argv = ["unshare", "--mount", "sh", "-c", script]
        output = subprocess.run(argv, env=quartet.environment, stdout=subprocess.PIPE, stderr=errors, text=True).stdout
    (quartet.pids / "status").rename(quartet.out.with_name("status"))
    assert quartet.out.with_name("status").read_text() == "1\n"
    assert "How many requests are answered in a second?" in output
    assert "No space left on device" in quartet.errors() and "Traceback" not in quartet.errors()
    found = folder.load(Path(f"{quartet.out}.json"))
    assert (found.state, 0 < len(found.results) < 4) == ("failed", True)
    assert quartet.servers_are_gone()


HIDDEN = ("stat", "meminfo", "cpuinfo", "loadavg", "net/sockstat", "sys/net/ipv4/ip_local_port_range")


@pytest.mark.skipif(not MAY_MOUNT, reason="nobody may mount over /proc here")
def test_a_sandbox_that_hides_the_kernels_files_costs_figures_and_no_run(quartet):
    hide = "; ".join(f"mount --bind /dev/null /proc/{name}" for name in HIDDEN)
    hide += "; mount -t tmpfs none /proc/pressure; mount -t tmpfs none /sys"
    run = shlex.join([*quartet.argv("throughput", *ONE), "--out", str(quartet.out)])
    doctor = shlex.join(quartet.argv("doctor"))
    finished = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"set -e; {hide}; set +e; {run}; {doctor}; true"],
        env=quartet.environment,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0 and "Traceback" not in finished.stderr, finished.stderr
    assert "UNSEEN: whether other load disturbed 1 of 1 loads cannot be told" in finished.stdout
    assert "Disturbed rounds cannot be recognized" in finished.stdout
    assert (quartet.results().state, quartet.results().results[0].disturbance.unknown) == ("complete", True)


def test_two_runs_of_the_same_second_have_two_folders(monkeypatch, tmp_path):
    class Noon(datetime.datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime.datetime:
            return cls(2020, 1, 1, 12)

    monkeypatch.setattr(datetime, "datetime", Noon)
    monkeypatch.setattr(folder, "ROOT", tmp_path)
    names = [folder.claim(None, None, "walk").name for _ in range(3)]
    assert names == [f"2020-01-01T12-00-00-walk{number}" for number in ("", "-2", "-3")]


def test_a_folder_that_a_run_is_using_is_not_used_by_another(quartet):
    held = {"FAKE_WRK_HELD": str(quartet.pids / "0"), "FAKE_WRK_RESULTS": str(quartet.out / "results.json")}
    quartet.environment |= held | {"FAKE_WRK_HELD_AFTER": "0"}
    # what is held must not be given up before the others have been refused: -d bounds it
    process = quartet.start("throughput", *SHORT, "-d", "60s")
    assert eventually((quartet.pids / "0").exists, PATIENCE)
    (quartet.pids / "0").unlink()
    assert quartet.run("throughput", "--resume", str(quartet.out)) == (
        2,
        "",
        f"loadtest/quartet: {quartet.out} is in use by a run that has not ended\n",
    )
    assert quartet.run("throughput", *SHORT)[2].endswith(f"--resume {quartet.out} goes on with it\n")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert (process.returncode, quartet.results().results) == (130, [])


@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_a_stdout_that_takes_no_tables_costs_no_results(quartet, redirection, reason):
    run = shlex.join([*quartet.argv("throughput", *ONE), "--out", str(quartet.out)])
    argv = ["sh", "-c", f"{run} {redirection}"]
    finished = subprocess.run(argv, env=quartet.environment, stderr=subprocess.PIPE, text=True)
    assert finished.returncode == 1
    results = quartet.out / "results.json"
    sentence = f"loadtest/quartet: cannot write to standard output: {reason}; the results are safe in {results}\n"
    assert finished.stderr.endswith(sentence) and "Traceback" not in finished.stderr
    assert quartet.results().state == "complete"


def test_a_stderr_that_takes_nothing_costs_neither_tables_nor_results(quartet):
    for redirection in ("2>/dev/full", "2>&-"):
        run = shlex.join([*quartet.argv("walk", "--dry-run", "--only", "epoll")])
        finished = subprocess.run(["sh", "-c", f"{run} {redirection}"], env=quartet.environment, stdout=subprocess.PIPE)
        assert finished.returncode == 0 and b"quartet-epoll" in finished.stdout
        out = quartet.out.with_name(f"out{len(redirection)}")
        run = shlex.join([*quartet.argv("throughput", *ONE), "--out", str(out)])
        finished = subprocess.run(["sh", "-c", f"{run} {redirection}"], env=quartet.environment, stdout=subprocess.PIPE)
        assert finished.returncode == 0 and b"How many requests" in finished.stdout
        assert folder.load(out).state == "complete"


# --- without a process: in this one


@pytest.fixture
def say(monkeypatch, capsys, tmp_path) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process, where nothing may be started."""

    def refuse(*_: object) -> None:
        raise AssertionError("a process was started")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cli/__main__.py", *arguments])
        status = commands.run()
        output = capsys.readouterr()
        return status, output.out, output.err

    monkeypatch.setattr(processes.Process, "__init__", refuse)
    monkeypatch.setattr(Local, "describe", lambda _, executable: samples.DESCRIBE(executable))
    monkeypatch.setattr(launch, "DRY_RUN", tmp_path / "dry-run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return run


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("throughput --only nobody", "there is no contestant 'nobody'; there are fork-per-request, "),
        ("throughput --only epoll,", "there is no contestant ''; there are fork-per-request, "),
        ("throughput --peer apache", "--peer: there is no contestant 'apache'; there are nginx, "),
        ("throughput --workload poem", "there is no workload 'poem'; there are plaintext, "),
        ("throughput --preset sprint", "there is no preset 'sprint'; there is yardstick"),
        ("throughput --only bare-epoll --workload json", "none of these contestants serves /json"),
        ("throughput -c 0", "--connections 0: expected 1 to 10000"),
        ("throughput -c 1,,2", "--connections 1,,2: expected whole numbers, such as 1,16,64"),
        ("throughput -d 1.5s", "--duration 1.5s: wrk takes whole seconds, such as 2s"),
        ("throughput -d 0", "--duration 0: wrk takes whole seconds, such as 2s"),
        ("throughput --rate fast", "--rate fast: expected whole numbers"),
        ("latency --rate 0", "--rate 0: expected 1 to 10000000"),
        ("latency --slo p99=5", "--slo p99=5: expected a quantile and a time, such as p99=5ms or max=1s"),
        ("throughput --pin 1", "--pin 1: expected the server's CPUs and the load's, such as 1:0 or 2-3:0,1"),
        ("throughput --pin 7:0", "--pin 7:0: there is no CPU 7 for us here; there are 0, 1"),
        ("throughput --cpus 9", "--cpus 9: there are 2 here"),
        ("throughput --cpus 2 --pin 1:0", "--cpus 2 and --pin 1:0: the pinned CPUs are the budget"),
        ("throughput --variant nginx", "--variant 'nginx' starts with none of quartet-coroutines, "),
        ("throughput --variant quartet-epoll --variant quartet-epoll", "a contestant is there twice"),
        ("throughput --resume nowhere", "cannot read nowhere: No such file or directory"),
        ("throughput --resume nowhere --out here", "--resume goes on in its own folder; --out is for a new run"),
        ("throughput --pipeline 4 --fresh", "--pipeline takes kept connections, not --fresh ones"),
        (
            "throughput --peer nginx --runner docker",
            "nginx is not in the images: peers and bare servers are for --runner",
        ),
        ("throughput --runner docker --bin x", "--bin is for --runner local; Docker's image has servers of its own"),
        ("run --runner docker --bin x", "--bin is for --runner local; Docker's image has servers of its own"),
        ("crash --fault segv --restart on-failure", "--restart on-failure is Docker's to do; it takes --runner docker"),
        (
            "crash --fault segv --restart on-failure --runner docker --supervised",
            "--restart on-failure and --supervised: one at a time brings a server back",
        ),
        (
            "crash --fault segv --restart always",
            "Invalid value for '--restart': 'always' is not one of 'no', 'on-failure'",
        ),
        ("throughput --rounds 0", "Invalid value for '--rounds': 0 is not in the range"),
        ("throughput --runner podman", "Invalid value for '--runner': 'podman' is not one of 'local', 'docker'"),
        ("throughput --nonsense", "No such option: --nonsense"),
        ("aa --only epoll,threads", "aa takes one contestant, one workload, one number of connections and one of CPUs"),
        ("aa --tries 5", "Invalid value for '--tries': 5 is not in the range"),
        ("compare nowhere here", "cannot read nowhere: No such file or directory"),
        ("compare one", "Missing argument 'B'"),
        ("dance", "No such command 'dance'"),
    ],
)
def test_a_usage_error_is_one_sentence_and_exit_2(say, line, sentence):
    status, output, errors = say(*line.split())
    assert (status, output) == (2, "")
    assert errors.startswith(f"loadtest/quartet: {sentence}")
    assert errors.count("\n") == 1


def test_results_of_another_verb_are_not_gone_on_with(say, tmp_path):
    (tmp_path / "out").mkdir()
    folder.save(samples.trial_run(verb="latency"), tmp_path / "out")
    status, _, errors = say("throughput", "--resume", "out")
    assert status == 2
    assert errors == "loadtest/quartet: --resume out: these are results of latency, not of throughput\n"


def test_a_dry_run_prints_every_command_and_starts_nothing(say, tmp_path):
    line = "throughput --dry-run --only epoll,threads,nginx -c 16,64 --rate 1000 --workload plaintext,file --bin /opt"
    status, output, _ = say(*line.split())
    lines = output.splitlines()
    assert status == 0
    assert "taskset --cpu-list 1 /opt/quartet-epoll --listen 127.0.0.1:8080 --max-requests-per-connection 0" in lines
    assert sum(" wrk -t1 -c" in one for one in lines) == sum(" --rate 1000 " in one for one in lines) == 12
    assert sum(" --newcomer 100ms:" in one for one in lines) == 24
    assert sum("/usr/sbin/nginx" in one for one in lines) == 8
    assert lines[-1].startswith("# 240 steps in 10 rounds, about ")
    assert [path.name for path in tmp_path.iterdir()] == ["dry-run"]


def test_a_dry_run_against_itself_counts_the_rounds_of_all_tries(say):
    assert say("aa", "--dry-run")[1].splitlines()[-1].startswith("# 240 steps in 120 rounds, ")


def test_a_dry_run_of_files_names_a_root_that_holds_them(say, tmp_path):
    output = say("throughput", "--dry-run", "--only", "epoll", "--workload", "file")[1]
    root = output.split("--root ")[1].split()[0]
    assert (Path(root) / "16k").stat().st_size == 16384


def test_a_dry_run_in_docker_says_that_commands_run_in_containers(say):
    assert say("throughput", "--dry-run", "--runner", "docker", "--only", "epoll")[1].startswith("# in Docker: ")


def test_compare_exits_with_3_on_a_regression_and_0_without(say, tmp_path):
    before, after = samples.trial_run(), samples.trial_run()
    for trial in after.results:
        trial.server_cpu_seconds *= 1.2
    for name, found in (("a", before), ("b", after)):
        (tmp_path / name).mkdir()
        folder.save(found, tmp_path / name)
    assert say("compare", "a", "a")[0] == say("compare", "a", "b")[0] == 0
    status, output, _ = say("compare", "a", "b", "--metric", "cpu")
    assert (status, output.count("REGRESSION")) == (3, 5)
    assert say("compare", "a", "b", "--metric", "cpu", "--margin", "25")[0] == 0
    status, output, _ = say("compare", "b", "a", "--metric", "cpu", "--json")
    assert status == 0 and not any(change["regressed"] for change in json.loads(output)["changes"])
    assert say("compare", "a", "b", "--metric", "speed")[2].startswith("loadtest/quartet: there is no metric 'speed'")


def test_a_finished_folder_is_shown_again_as_the_run_has_shown_it(say, tmp_path):
    folder.save(samples.trial_run(), tmp_path)
    status, output, _ = say("report", str(tmp_path))
    assert status == 0
    assert output.startswith("Sample CPU") and "\nMeasured in 60 s.\n\nThe answer\n" in output
    assert "How many requests are answered in a second?" in output
    assert json.loads(say("report", str(tmp_path), "--json")[1])["verb"] == "throughput"
    (tmp_path / "results.json").unlink()
    status, output, errors = say("report", str(tmp_path))
    assert (status, output) == (2, "") and "cannot read" in errors


def test_a_dry_run_in_a_checkout_that_is_read_only_writes_elsewhere(say, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(launch, "DRY_RUN", tmp_path / "file/dry-run")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    output = say("throughput", "--dry-run", "--only", "epoll,nginx", "--workload", "file")[1]
    assert Path(output.split("--root ")[1].split()[0], "16k").stat().st_size == 16384
    assert str(tmp_path / "quartet-dry-run-") in output


def test_a_run_that_cannot_have_its_cpus_is_an_error_of_the_environment(monkeypatch, tmp_path):
    """The cpuset is another one than that of the run that --resume goes on with."""

    def refuse(*_: object) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    monkeypatch.setattr(environment, "stamp", lambda *_: None)
    with pytest.raises(Stop, match="cannot run on CPU 7: Invalid argument") as caught:
        a_session(tmp_path)._prepare()
    assert caught.value.status == Exit.environment


def a_session(directory: Path, as_json: bool = False, first: Callable[[Run], str] = lambda _: "") -> Session:
    part = Part("load", replace(samples.settings(), budgets={1: CpuSets((1,), (7,))}))
    verb = replace(THROUGHPUT, sections=lambda _: [], head=lambda _: ["tables"], status=lambda _: Exit.ok, first=first)
    return Session(verb, [part], None, Nowhere(), directory, as_json)


class Nowhere:
    name = description = ""

    def describe(self, executable: str) -> str:
        return samples.DESCRIBE(executable)

    def missing(self, executables: object) -> str:
        return ""

    def prepare(self) -> None:
        ...

    def close(self) -> None:
        ...


def measure(directory: Path, **more: Any) -> Exit:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        played = a_session(directory, **more)
        played._prepare = samples.trial_run
        return played.run()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_a_fault_of_ours_keeps_what_was_measured_and_shows_its_traceback(monkeypatch, tmp_path):
    def fail(*_: object) -> None:
        raise ValueError("ours")

    monkeypatch.setattr(runner, "execute", fail)
    with pytest.raises(ValueError, match="ours"):
        measure(tmp_path)
    assert folder.load(tmp_path).state == "failed"


def test_a_disk_that_fills_up_leaves_the_last_valid_file_marked_as_failed(monkeypatch, tmp_path, capsys):
    def fill(run: Run, place: Nowhere, directory: Path, save: Callable[[], None], first: object) -> None:
        def refuse(path: Path, *_: object, **__: object) -> None:
            path.touch()
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", refuse)
        save()

    monkeypatch.setattr(runner, "execute", fill)
    assert measure(tmp_path) == Exit.failed
    output = capsys.readouterr()
    assert "How many requests are answered in a second?" in output.out
    assert output.err.endswith(f"{tmp_path / 'results.json'}: No space left on device\n")
    assert folder.load(tmp_path).state == "failed"
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_the_list_names_who_and_what_can_be_measured(say):
    status, output, _ = say("list")
    assert status == 0
    assert all(name in output for name in ("fork-per-request", "bare-epoll", "nginx", "plaintext", "latency p99"))


def test_help_documents_the_exit_statuses(say):
    for verb in ("throughput", "latency", "aa", "compare"):
        status, output, _ = say(verb, "--help")
        text = " ".join(output.split())
        assert status == 0
        assert all(word in text for word in ("4 measured, but", "130 interrupted", "3 a gate"))
