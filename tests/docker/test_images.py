"""The images: what a server is in its container, and what it cannot do there."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from conftest import ROOT, eventually

from loadtest.engine import folder
from loadtest.places import containers as engine
from loadtest.system.processes import ProcessError
from loadtest.verbs.tour import plan

SERVERS = sorted({contestant.executable for contestant in plan.CONTESTANTS})


def in_server(images: dict[str, str], *argv: str) -> str:
    return engine.docker("run", "--rm", "--network", "none", "--read-only", images["server"], *argv).stdout


def test_the_server_image_holds_every_server_the_viewer_and_the_probe(images):
    listed = in_server(images, "ls", "/usr/local/bin").split()
    assert {*SERVERS, "quartet-probe", "quartet-top"} <= set(listed)


@pytest.mark.parametrize("name", SERVERS)
def test_every_server_finds_its_libraries(images, name):
    assert in_server(images, name, "--version").startswith(name)


def test_the_server_image_has_no_compiler_and_no_client(images):
    found = in_server(images, "sh", "-c", "command -v g++ cmake python3 curl wrk || echo none").split()
    assert found == ["none"]


def test_a_server_is_not_root(images):
    assert in_server(images, "id", "--user").strip() not in ("", "0")


def test_the_image_checks_its_own_health(images):
    config = json.loads(engine.docker("image", "inspect", images["server"]).stdout)[0]["Config"]
    assert config["Healthcheck"]["Test"] == ["CMD", "quartet-probe"]


def test_the_load_image_has_wrk_and_pace_and_the_agent(images):
    answer = engine.docker(
        "run", "--rm", "--network", "none", images["load"], "sh", "-c",
        "command -v wrk && command -v quartet-pace && python3 -c 'import loadtest.places.agent' && id --user",
    )  # fmt: skip
    wrk, pace, user = answer.stdout.split()
    assert wrk.endswith("/wrk") and pace.endswith("/quartet-pace") and user != "0"


@pytest.fixture
def by_hand(images):
    """A server with its health check, started without the harness."""
    name = "quartet-test-by-hand"
    engine.remove(name)
    engine.docker("run", "--detach", "--name", name, "--network", "none", "--read-only", images["server"])
    yield name
    engine.remove(name)


def test_the_probe_tells_a_serving_container_from_one_that_does_not_serve(by_hand):
    def healthy() -> bool:
        return engine.docker("inspect", "--format", "{{.State.Health.Status}}", by_hand).stdout.strip() == "healthy"

    assert eventually(healthy)
    with pytest.raises(ProcessError, match="connect: Connection refused"):
        engine.docker("exec", by_hand, "quartet-probe", "127.0.0.1:1")


def test_a_server_in_a_container_can_be_watched_there(by_hand):
    assert eventually(lambda: "listening on" in engine.docker("logs", by_hand).stdout)
    assert "quartet-epoll" in engine.docker("exec", by_hand, "quartet-top", "--once").stdout


def test_stopping_a_container_drains_its_server(by_hand):
    assert eventually(lambda: "listening on" in engine.docker("logs", by_hand).stdout)
    engine.docker("stop", by_hand)
    state = engine.inspect(by_hand)
    assert (state.running, state.status) == (False, 0)
    assert "drained" in engine.docker("logs", by_hand).stderr


def test_the_alarm_of_a_hung_drain_works_in_a_container(images):
    """PID 1 would ignore it, and the engine would have to kill the server, 10 s later."""
    name = "quartet-test-hung"
    engine.remove(name)
    arguments = ["quartet-epoll", "--drain-timeout", "1s"]
    engine.docker("run", "--detach", "--name", name, "--network", "none", images["server"], *arguments)
    try:
        assert eventually(lambda: "listening on" in engine.docker("logs", name).stdout)
        load = [
            "run",
            "--rm",
            "--detach",
            "--network",
            f"container:{name}",
            images["load"],
            "wrk",
            "-t1",
            "-c1",
            "-d20s",
        ]
        hanger = engine.docker(*load, "http://127.0.0.1:8080/block?ms=60000").stdout.strip()
        stats = [
            "run",
            "--rm",
            "--network",
            f"container:{name}",
            images["server"],
            "quartet-probe",
            "--timeout",
            "200ms",
        ]
        assert eventually(lambda: subprocess.run(["docker", *stats], capture_output=True).returncode == 1)
        engine.docker("kill", "--signal", "TERM", name)
        assert eventually(lambda: not engine.inspect(name).running)
        assert engine.inspect(name).status == -14  # SIGALRM
        engine.remove(hanger)
    finally:
        engine.remove(name)


COMPOSE = next(
    (command for command in (["docker", "compose"], ["docker-compose"])
     if subprocess.run(["sh", "-c", f"{' '.join(command)} version"], capture_output=True).returncode == 0),
    None,
)  # fmt: skip


@pytest.mark.skipif(COMPOSE is None, reason="neither docker compose nor docker-compose is installed")
def test_the_compose_file_runs_a_model_and_loads_it(images, monkeypatch):
    assert COMPOSE
    for name, value in {"MODEL": "quartet-threads", "QUARTET_WORKERS": "20", "DURATION": "1s"}.items():
        monkeypatch.setenv(name, value)
    compose = [*COMPOSE, "--project-name", "quartet-test", "--file", str(ROOT / "docker/compose.yaml")]

    def run(*arguments: str) -> str:
        return subprocess.run([*compose, *arguments], check=True, capture_output=True, text=True, timeout=120).stdout

    try:
        run("up", "--detach", "server")
        assert re.search(r"^Requests/sec: +[0-9.]+$", run("run", "--rm", "load"), re.MULTILINE)
        processes = run("top", "server")
        assert "quartet-threads" in processes
    finally:
        run("down", "--timeout", "15")


@pytest.mark.skipif(COMPOSE is None, reason="neither docker compose nor docker-compose is installed")
def test_the_compose_file_measures_in_one_container_and_leaves_the_page_on_the_host(images, monkeypatch, tmp_path):
    assert COMPOSE
    engine.build("report")
    monkeypatch.setenv("RESULTS", str(tmp_path))
    compose = [*COMPOSE, "--project-name", "quartet-test", "--file", str(ROOT / "docker/compose.yaml")]
    asked = ["run", "--bin", "/usr/local/bin", "--smoke", "--only", "epoll"]
    try:
        argv = [*compose, "run", "--rm", "report", *asked]
        finished = subprocess.run(argv, capture_output=True, text=True, timeout=300)
        assert finished.returncode in (0, 4), finished.stderr
    finally:
        subprocess.run([*compose, "down"], capture_output=True, timeout=60)
    [out] = tmp_path.iterdir()
    found = folder.load(out)
    assert (found.state, found.failures, found.environment.runner) == ("complete", [], "container")
    assert {"throughput", "latency", "memory", "crash"} <= {part.verb for part in found.parts if part.results}
    assert "[container]" in (out / "report.html").read_text()
