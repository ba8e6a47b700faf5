from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path

import pytest
import samples
from conftest import ROOT, eventually

from loadtest.contestants import contestants, peers
from loadtest.contestants.peers import PEERS, Launch, Peer
from loadtest.places.launch import ServerPlan
from loadtest.system import procfs
from loadtest.system.cpus import CpuSets
from loadtest.system.processes import Server

BUILT = ROOT / "build/release/bin"
WORKERS = 3
BODIES = {"/plaintext": b"Hello, World!", "/file/16k": peers.FILE_16K}


@pytest.fixture(params=PEERS, ids=lambda peer: peer.name)
def peer(request: pytest.FixtureRequest) -> Peer:
    if problem := peers.missing(request.param.executable, BUILT):
        pytest.skip(problem)
    return request.param


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Closed to others, like a folder below root's home."""
    folder = tmp_path / "peer"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def launch(peer: Peer, directory: Path) -> Launch:
    return peers.prepare(peer, directory, BUILT, workers=WORKERS, cpus=2, connections=64)


@pytest.fixture
def running(launch: Launch, log: Path) -> Iterator[Server]:
    with Server(launch.argv, log, address=launch.address, stop_signal=launch.stop_signal) as server:
        yield server


def connect(server: Server) -> HTTPConnection:
    connection = HTTPConnection(server.address.host, server.address.port, timeout=10)
    connection.connect()
    return connection


def get(connection: HTTPConnection, path: str) -> tuple[int, str | None, bytes]:
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.getheader("Content-Type"), response.read()


def by_name(name: str) -> Peer:
    return peers.select(name)


def test_every_peer_is_the_peer_of_a_model_of_ours():
    assert {peer.model for peer in PEERS} <= {model.name for model in contestants.MODELS}


def test_a_peer_that_is_not_installed_says_what_to_do(tmp_path, monkeypatch):
    absent = replace(by_name("nginx"), executable="/usr/sbin/no-such-server")
    monkeypatch.setattr(peers, "PEERS", [absent])
    assert peers.missing(absent.executable, tmp_path) == "nginx is not installed; loadtest/setup.sh peers"


def test_a_peer_that_is_not_built_says_what_to_do(tmp_path):
    assert peers.missing(by_name("beast").executable, tmp_path) == (
        f"{tmp_path}/peer-beast is missing; "
        "loadtest/setup.sh peers && cmake --preset release && cmake --build --preset release --target peer-beast"
    )


@pytest.mark.parametrize("one", PEERS, ids=lambda one: one.name)
def test_a_launch_is_prepared_without_the_server_being_there(one, tmp_path):
    launch = peers.prepare(one, tmp_path, tmp_path, workers=18, cpus=1, connections=16)
    assert str(tmp_path / one.executable) in launch.argv
    assert not [word for word in launch.argv if "{" in word]
    assert (tmp_path / "documents/file/16k").read_bytes() == peers.FILE_16K


def test_a_relative_directory_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    launch = peers.prepare(by_name("nginx"), Path("."), tmp_path, workers=1, cpus=1, connections=16)
    assert str(tmp_path / "nginx.conf") in launch.argv
    assert f"root {tmp_path}/documents;" in (tmp_path / "nginx.conf").read_text()


@pytest.mark.parametrize(
    "name, lines",
    [
        ("nginx", ["worker_processes 18;", "daemon off;"]),
        ("nginx-workers", ["worker_processes 18;"]),
        ("nginx-threads", ["thread_pool default threads=4 max_queue=65536;  # the default is 32 threads"]),
        ("h2o", ["num-threads: 18"]),
        ("apache-prefork", ["ServerLimit 18", "StartServers 18", "MaxRequestWorkers 18", "MaxKeepAliveRequests 0"]),
        ("apache-worker", ["ServerLimit 1", "ThreadsPerChild 18", "MaxRequestWorkers 18", "MaxKeepAliveRequests 0"]),
        (
            "apache-event",
            ["ServerLimit 1", "ThreadsPerChild 18", "MaxRequestWorkers 18", "AsyncRequestWorkerFactor 58"],
        ),
    ],
)
def test_a_configuration_has_the_workers_that_were_asked_for(name, lines, tmp_path):
    one = by_name(name)
    peers.prepare(one, tmp_path, tmp_path, workers=18, cpus=1, connections=16)
    written = (tmp_path / one.template.removesuffix(".j2")).read_text().splitlines()
    assert [line for line in lines if line not in {text.strip() for text in written}] == []


def test_only_the_peer_of_helpers_hands_over(tmp_path):
    written = {}
    for one in PEERS:
        if one.template == "nginx.conf.j2":
            peers.prepare(one, tmp_path / one.name, tmp_path, workers=1, cpus=1, connections=16)
            written[one.name] = (tmp_path / one.name / "nginx.conf").read_text()
    assert [name for name, text in written.items() if "aio threads;" in text] == ["nginx-threads"]
    assert [name for name, text in written.items() if "thread_pool " in text] == ["nginx-threads"]


@pytest.mark.parametrize(("name", "workers"), [("nginx", 2), ("nginx-workers", 2), ("nginx-threads", 1)])
def test_nginx_has_a_worker_for_each_cpu_but_one_where_it_has_threads(name, workers, tmp_path):
    plan = ServerPlan(samples.BY_NAME[name], CpuSets((1, 2), (0,)), workers=18, connections=16)
    plan.configured(tmp_path, tmp_path)
    assert f"worker_processes {workers};" in (tmp_path / "nginx.conf").read_text()


def test_the_backlog_is_that_of_our_servers():
    assert f"kBacklog = {peers.BACKLOG};" in (ROOT / "common/net/listener.cpp").read_text()
    assert f"kBacklog = {peers.BACKLOG};" in (ROOT / "loadtest/peers/options.h").read_text()


def test_a_port_is_free():
    with socket.create_server(("127.0.0.1", peers.free_port())):
        pass


def test_a_version_is_one_line(peer):
    assert re.fullmatch(r".*\d.*", peers.version(peer.executable, BUILT))


def test_a_peer_answers_a_hundred_requests_on_a_connection(peer, running):
    with closing(connect(running)) as connection:
        first = connection.sock
        for path in peers.PATHS:
            answers = {ask(peer, connection, path) for _ in range(100)}
            kind = "text/plain; charset=utf-8" if path == "/plaintext" else "application/octet-stream"
            assert answers == {(200, kind, BODIES[path])}
        assert connection.sock is first or sheds_idle_connections(peer)


def sheds_idle_connections(peer: Peer) -> bool:
    """When all its threads are busy, be it with what is left of earlier requests (loadtest/peers/README.md)."""
    return peer.name == "apache-event"


def ask(peer: Peer, connection: HTTPConnection, path: str) -> tuple[int, str | None, bytes]:
    try:
        return get(connection, path)
    except (RemoteDisconnected, ConnectionResetError):
        if not sheds_idle_connections(peer):
            raise
        connection.close()
        return get(connection, path)


def test_a_peer_sends_the_fields_that_our_servers_send(running):
    with closing(connect(running)) as connection:
        connection.request("GET", "/plaintext")
        names = {key.lower() for key in connection.getresponse().headers}
        assert {"server", "date", "content-type", "content-length"} <= names


def test_a_peer_answers_on_fresh_connections(running):
    for _ in range(20):
        with closing(connect(running)) as connection:
            assert get(connection, "/plaintext")[::2] == (200, b"Hello, World!")


def test_a_peer_serves_nothing_else(running):
    with closing(connect(running)) as connection:
        assert get(connection, "/file/17k")[0] == 404


def test_a_peer_ends_with_all_its_processes_and_frees_its_port(running):
    assert running.stop().status == 0
    assert eventually(lambda: procfs.members(running.pid) == [])  # who was killed takes a moment to go
    with socket.create_server((running.address.host, running.address.port)):
        pass


def test_the_cpu_time_of_a_peer_includes_its_workers(running):
    with closing(connect(running)) as connection:
        for _ in range(300):
            get(connection, "/file/16k")
    used = running.usage().cpu_seconds
    ended = running.stop()
    assert ended.cpu_seconds is not None and ended.cpu_seconds >= used - procfs.TICK


def threads(server: Server) -> list[int]:
    """Of each of its processes, the most first."""
    return sorted((len(os.listdir(f"/proc/{stat.pid}/task")) for stat in procfs.members(server.pid)), reverse=True)


EXPECTED_THREADS = {
    "nginx": [1] * (1 + WORKERS),  # the master, and an event loop in each process
    "nginx-workers": [1] * (1 + WORKERS),
    "nginx-threads": [1 + 4] * WORKERS + [1],  # each loop has a pool of its own
    "h2o": [1 + WORKERS],  # the first waits for signals
    "apache-prefork": [1] * (1 + WORKERS),
    "apache-worker": [WORKERS + 2, 1],  # a listener, and one that waits for signals
    "apache-event": [WORKERS + 2, 1],
    "libmicrohttpd": [1 + 2],  # by CPUs
    "beast": [1 + WORKERS],
    "beast-coroutines": [1 + WORKERS],
}


def test_a_peer_has_the_workers_that_were_asked_for(peer, running):
    assert eventually(lambda: threads(running) == EXPECTED_THREADS[peer.name]), threads(running)


@pytest.mark.parametrize(
    "peer", [by_name("apache-prefork"), by_name("apache-worker")], indirect=True, ids=["prefork", "worker"]
)
def test_a_pool_serves_as_many_clients_as_it_has_workers(running):
    def is_served(client: socket.socket, patience: float) -> bool:
        client.settimeout(patience)
        client.sendall(b"GET /plaintext HTTP/1.1\r\nHost: quartet\r\n\r\n")
        try:
            return client.recv(4096).startswith(b"HTTP/1.1 200")
        except TimeoutError:
            return False

    address = (running.address.host, running.address.port)
    clients = [socket.create_connection(address) for _ in range(WORKERS + 1)]
    try:
        assert all(is_served(client, 10) for client in clients[:-1])
        assert not is_served(clients[-1], 0.3)
    finally:
        for client in clients:
            client.close()


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed; apt-get install strace")
def test_a_peer_writes_only_below_its_directory(peer, launch, directory, log, tmp_path):
    trace = tmp_path / "trace"
    calls = "open,openat,creat,mkdir,mkdirat,mknod,mknodat,symlink,symlinkat,link,linkat,rename,renameat,renameat2,bind"
    # -D: the peer stays our child, and the tracer ends with it
    strace = ["strace", "-D", "-f", "-qq", "-o", str(trace), "-e", f"trace={calls}"]
    with Server([*strace, *launch.argv], log, 30, launch.address, launch.stop_signal) as server:
        with closing(connect(server)) as connection:
            for path in peers.PATHS:
                assert get(connection, path)[0] == 200
        server.stop()
    assert "bind(" in trace.read_text()  # it was traced at all
    allowed = (str(directory), "/dev/null", "/dev/stderr", "/dev/tty")
    assert [path for path in written_paths(trace.read_text()) if not path.startswith(allowed)] == []


def written_paths(trace: str) -> Iterator[str]:
    """Also those where it failed: nginx makes its folders where there are none yet."""
    for line in trace.splitlines():
        call = re.match(r"\d+ +(\w+)\((?:AT_FDCWD, )?\"([^\"]*)\"(.*)", line)
        if call and (not call[1].startswith("open") or re.search("O_WRONLY|O_RDWR|O_CREAT", call[3])):
            yield call[2]
