"""What the engine says, and what we say when it does not."""

from __future__ import annotations

import json
import os

import pytest
from conftest import FAKES

from loadtest.places import containers
from loadtest.places.containers import State
from loadtest.system import procfs
from loadtest.system.cpus import CpuSets
from loadtest.system.processes import ProcessError, Server

RUNNING = {
    "Status": "running",
    "Running": True,
    "Paused": False,
    "Restarting": False,
    "OOMKilled": False,
    "Dead": False,
    "Pid": 1048,
    "ExitCode": 0,
    "Error": "",
}
ENDED = {**RUNNING, "Status": "exited", "Running": False, "Pid": 0}


def inspected(state: dict[str, object]) -> State:
    """From the form that `docker inspect` prints it in: a list."""
    return containers.parse_state(json.dumps([{"Id": "f543", "Args": [], "State": state, "Name": "/t1"}]))


def test_a_running_container_has_a_process():
    assert inspected(RUNNING) == State("f543", True, 1048, 0, False)


@pytest.mark.parametrize(("code", "status"), [(0, 0), (3, 3), (128, 128), (139, -11), (137, -9), (134, -6), (255, 255)])
def test_exit_codes_above_128_are_signals(code, status):
    assert inspected({**ENDED, "ExitCode": code}).status == status


def test_an_oom_kill_is_told_from_another_kill():
    assert inspected({**ENDED, "ExitCode": 137, "OOMKilled": True}).out_of_memory
    assert not inspected({**ENDED, "ExitCode": 137}).out_of_memory


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """The stand-in, first on PATH; returns the calls that it got."""
    directory = tmp_path / "docker-bin"
    directory.mkdir()
    (directory / "docker").symlink_to(FAKES / "docker.py")
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_DOCKER_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("FAKE_DOCKER_CONTAINERS", str(tmp_path / "containers"))
    (tmp_path / "containers").touch()
    (tmp_path / "calls").touch()
    return lambda: (tmp_path / "calls").read_text().splitlines()


def test_an_engine_that_can_measure_lacks_nothing(docker):
    assert containers.missing() == ""
    assert containers.missing_base_image() == ""


def test_an_engine_without_the_cgroup_version_is_an_old_one(docker, monkeypatch):
    assert containers.version() == "Docker 20.10 (cgroup v2)"
    monkeypatch.setenv("FAKE_DOCKER", "old")
    assert containers.version() == "Docker 19.03 (cgroup v1)"


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("full", "the Docker engine does not work: the disk is full"),
        ("down", "the Docker engine is not running; sudo systemctl start docker"),
        ("forbidden", "sudo usermod --append --groups docker"),
        ("elsewhere", "runs on another machine, or in a virtual one (Linux 5.0-elsewhere"),
    ],
)
def test_an_engine_that_cannot_measure_is_one_sentence_with_what_to_do(docker, monkeypatch, behaviour, sentence):
    monkeypatch.setenv("FAKE_DOCKER", behaviour)
    assert sentence in containers.missing()
    assert "\n" not in containers.missing()


def test_a_missing_base_image_is_pulled_and_then_made_by_hand(docker, monkeypatch):
    monkeypatch.setenv("FAKE_DOCKER", "bare")
    sentence = containers.missing_base_image()
    assert "pull --quiet debian:trixie-slim" in docker()
    assert sentence == (
        "the image debian:trixie-slim is not here, nor can it be pulled "
        "(Get https://registry-1.docker.io/v2/: no route to host); make it with docker/base-image"
    )


def test_an_image_that_does_not_build_is_an_error_with_the_last_of_the_output(docker):
    with pytest.raises(ProcessError, match="docker build .* exited with status 1: .*Unable to locate package nonsense"):
        containers.build("server")


def test_containers_of_a_dead_run_are_removed_and_those_of_a_living_one_are_not(docker, tmp_path):
    alive = containers.run_id()
    (tmp_path / "containers").write_text(f"aaa {alive}\nbbb {os.getpid()}-1\nccc 0-0\nddd nonsense\n")
    containers.Containers(log=tmp_path / "log").remove_abandoned()
    assert docker()[-1] == "rm --force --volumes bbb ccc ddd"


def test_a_run_removes_its_own_containers_and_no_others(docker, tmp_path):
    place = containers.Containers(log=tmp_path / "log", run="1-1")
    place.images = {"server": "sha256:1"}
    (tmp_path / "containers").write_text("aaa 1-1\nbbb 1-12\nccc 2-1\n")
    place.close()
    assert docker()[-1] == "rm --force --volumes aaa"


def test_a_run_that_never_had_a_container_asks_no_engine(docker, tmp_path):
    containers.Containers(log=tmp_path / "log").close()
    assert docker() == []


def test_an_engine_that_went_away_does_not_keep_a_run_from_ending(docker, tmp_path, monkeypatch, capsys):
    place = containers.Containers(log=tmp_path / "log")
    place.images = {"server": "sha256:1"}
    (tmp_path / "containers").unlink()  # the stand-in fails
    place.close()
    assert "containers may be left behind" in capsys.readouterr().err


@pytest.fixture
def created(docker, monkeypatch, tmp_path):
    """Calls of the engine for a server that does not start."""

    def ask(restarts: bool) -> list[str]:
        def fail(*_: object, **__: object) -> None:
            raise ProcessError("it does not start")

        monkeypatch.setattr(Server, "__init__", fail)
        place = containers.Containers(log=tmp_path / "log", run="1-1", images={"server": "sha256:1"})
        start = place.start_kept if restarts else place.start
        with pytest.raises(ProcessError, match="it does not start"):
            start(
                ["quartet-epoll", "--listen", "127.0.0.1:0", "--workers", "1"], CpuSets((1,), (0,)), ["prlimit", "--"]
            )
        return docker()

    return ask


def test_a_server_has_a_network_of_its_own_and_is_not_started_again(created):
    server, _, removed = created(restarts=False)
    assert " --network none --ipc shareable sha256:1 prlimit -- quartet-epoll --listen 127.0.0.1:0 " in server
    assert "--restart" not in server
    assert "quartet-1-1-0" in removed.split() and "quartet-1-1-0-load" in removed.split()


def test_a_server_that_is_started_again_finds_its_network_and_its_port_as_they_were(created):
    """They are those of a container that stays, which the server does not use the CPU of."""
    home, started, server, _, removed = created(restarts=True)
    assert "create --name quartet-1-1-0-home " in home
    assert " --network none --ipc shareable sha256:1 sleep infinity" in home
    assert "--cpuset-cpus 0 " in home and "--restart" not in home
    assert started == "start quartet-1-1-0-home"
    joined = "--network container:quartet-1-1-0-home --ipc container:quartet-1-1-0-home"
    assert f" --restart on-failure {joined} sha256:1 prlimit -- quartet-epoll --listen 127.0.0.1:8080 " in server
    assert "--cpuset-cpus 1 " in server
    assert {"quartet-1-1-0", "quartet-1-1-0-load", "quartet-1-1-0-home"} <= set(removed.split())


def test_a_run_is_its_harness_not_its_pid_alone():
    assert not containers.is_abandoned(containers.run_id())
    pid, start = procfs.identity(os.getpid())
    assert containers.is_abandoned(f"{pid}-{start + 1}")


def test_a_server_is_never_root_and_otherwise_has_our_id(monkeypatch, tmp_path):
    place = containers.Containers(log=tmp_path / "log")
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    monkeypatch.setattr(os, "getgid", lambda: 55)
    assert " --user 1234:55" in " ".join(place.options([1], 64))
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert "--user" not in place.options([1], 64)  # the image's USER
