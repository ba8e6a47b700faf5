"""Production servers of each model's kind, as data, and what it takes to start one: see loadtest/peers/README.md."""

import math
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from loadtest.contestants.contestants import BARE, MODELS, Contestant, Kind, is_sanitized
from loadtest.system import ROOT
from loadtest.system.processes import PLAINTEXT, Address, run

TEMPLATES = Environment(
    loader=FileSystemLoader(ROOT / "loadtest/peers"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
BACKLOG = 4096  # common/net/listener.cpp
PATHS = ("/plaintext", "/file/16k")  # that each of them serves
FILE_16K = bytes(range(256)) * 64
# idle_timeout: seconds, beyond every run
TEMPLATES.globals |= dict(backlog=BACKLOG, greeting=PLAINTEXT.decode(), idle_timeout=600, root=os.geteuid() == 0)
NGINX = ("nginx", "/usr/sbin/nginx", "-p {directory} -e stderr -c {configuration}", "nginx.conf.j2")
APACHE = ("apache2-bin", "/usr/sbin/apache2", "-D FOREGROUND -d {directory} -f {configuration}", "apache.conf.j2")
# As libmicrohttpd's manual advises, a thread for each CPU: they are loops, which more threads would only make switch.
MICROHTTPD = "--port {port} --root {documents}/file --workers {cpus} --connections {room}"
BEAST = "--port {port} --root {documents}/file --workers {workers}"
# Apache refuses to serve as root, and www-data may not enter every folder: hence the capability. Whoever changes his
# user loses the signal that ends him with us, and must ask for it again.
AS_WWW_DATA = (
    *("setpriv", "--reuid", "www-data", "--regid", "www-data", "--clear-groups", "--pdeathsig", "TERM"),
    *("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override", "--"),
)


@dataclass(frozen=True)
class Peer:
    """A server with its command line, in which names in braces stand for what `prepare` knows."""

    name: str
    model: str  # the contestant of ours that it is the peer of
    package: str  # Debian's, or what it holds where releases name it differently
    executable: str  # absolute, or ours: a target of loadtest/peers/CMakeLists.txt
    arguments: str  # words
    template: str = ""  # of its configuration, in loadtest/peers
    mpm: str = ""  # Apache's word for a concurrency model
    threads: int = 0  # of nginx's pool, to which each loop hands files; 0: it has none
    stop_signal: int = signal.SIGTERM  # h2o waits for its clients to leave, nginx for 2 s, the others not at all


@dataclass(frozen=True)
class Launch:
    argv: list[str]  # to be pinned
    address: Address
    stop_signal: int


PEERS = (
    Peer("nginx", "epoll", *NGINX, stop_signal=signal.SIGQUIT),
    Peer("h2o", "epoll", "h2o", "/usr/bin/h2o", "--conf {configuration}", "h2o.conf.j2"),
    Peer("apache-prefork", "prefork", *APACHE, "prefork"),
    Peer("apache-worker", "threads", *APACHE, "worker"),
    Peer("apache-event", "threads", *APACHE, "event"),
    Peer("libmicrohttpd", "epoll", "libmicrohttpd-dev", "peer-microhttpd", MICROHTTPD),
    Peer("nginx-workers", "multiprocess", *NGINX, stop_signal=signal.SIGQUIT),
    Peer("nginx-threads", "helpers", *NGINX, threads=4, stop_signal=signal.SIGQUIT),
    Peer("beast", "coroutines", "Boost 1.81", "peer-beast", BEAST),
    Peer("beast-coroutines", "fibers", "Boost 1.81", "peer-beast", BEAST),
)

PEER_CONTESTANTS = tuple(
    Contestant(peer.name, peer.executable, kind=Kind.peer, model=peer.model, paths=PATHS) for peer in PEERS
)
EVERYBODY = (*MODELS, *BARE, *PEER_CONTESTANTS)  # who can be measured


def select(name: str) -> Peer:
    """Of a contestant that is a peer."""
    return next(peer for peer in PEERS if peer.name == name)


def missing(executable: str, binaries: Path) -> str:
    """One sentence with the fix when a server, ours or a peer, cannot be started here; else nothing."""
    if os.access(binaries / executable, os.X_OK):
        return ""
    peer = next((peer for peer in PEERS if peer.executable == executable), None)
    if peer and Path(executable).is_absolute():
        return f"{peer.name} is not installed; loadtest/setup.sh peers"
    packages, target = (
        "peers" if peer else "build",
        "quartet-programs" if Path(executable).name.startswith("quartet-") else executable,
    )
    preset = "asan" if is_sanitized(executable) else "release"
    build = (
        f"loadtest/setup.sh {packages} && cmake --preset {preset} && cmake --build --preset {preset} --target {target}"
    )
    return f"{binaries / executable} is missing; {build}"


def version(executable: str, binaries: Path) -> str:
    """One line. Raises ProcessError."""
    foreign = Path(executable).is_absolute() and not is_sanitized(executable)
    printed = run([str(binaries / executable), "-v" if foreign else "--version"], timeout=5)
    lines = (printed.stdout or printed.stderr).splitlines()
    return lines[0].removeprefix("Server version: ") if foreign else ", ".join(lines)


def prepare(peer: Peer, directory: Path, binaries: Path, workers: int, cpus: int, connections: int) -> Launch:
    """Writes its configuration and its documents below `directory`, which is there for this alone, and the caller's to
    remove; all that the peer writes is there too. Raises OSError when that cannot be written."""
    directory = directory.absolute()  # servers take other paths for relative to their own folders
    address = Address("127.0.0.1", free_port())
    documents, configuration = directory / "documents", directory / peer.template.removesuffix(".j2")
    room = connections + 1024  # also for newcomers, and for whoever asks beside the load
    values: dict[str, object] = dict(host=address.host, port=address.port, mpm=peer.mpm, threads=peer.threads)
    values |= dict(directory=directory, documents=documents, configuration=configuration)
    values |= dict(workers=workers, cpus=cpus, room=room, idle_factor=max(2, math.ceil(room / workers)))
    (documents / "file").mkdir(parents=True, exist_ok=True)
    (documents / "plaintext").write_bytes(PLAINTEXT)
    (documents / "file" / "16k").write_bytes(FILE_16K)
    if peer.template:
        configuration.write_text(TEMPLATES.get_template(peer.template).render(values))
    user = AS_WWW_DATA if peer.mpm and os.geteuid() == 0 else ()
    arguments = [word.format(**values) for word in peer.arguments.split()]
    return Launch([*user, str(binaries / peer.executable), *arguments], address, peer.stop_signal)


def free_port() -> int:
    """Of 127.0.0.1. Somebody may take it before the peer does, which then says so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
