"""Servers and clients in containers, one of each for every step; and the Docker engine, through its command line.

The server's container has no network but its own loopback (`--network none`). The load container joins its network and
its /dev/shm, not its pid namespace: a namespace ends with its PID 1, and the clients have to outlive a crash. The
agent in it does the clients' side; memory, CPU time and processes are read from outside, so that nothing but the server
is charged to the server's container.
"""

import itertools
import json
import os
import platform
import re
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loadtest.clients import pace, wrk
from loadtest.places import agent
from loadtest.system import ROOT, MeasurementError, memory, output, processes, procfs
from loadtest.system.cpus import CpuSets
from loadtest.system.memory import Memory
from loadtest.system.processes import Ended, Finished, Job, Observation, ProcessError, Server, Tell, run
from loadtest.system.scoreboard import Scoreboard
from loadtest.system.usage import Usage

MEMORY_LIMIT = 2048  # MiB of each container
ENGINE_LAG = 10.0  # seconds after a server's end in which the engine should have noticed
DOCKERFILE = ROOT / "docker/Dockerfile"
ALONE = ["--network", "none", "--ipc", "shareable"]  # with a loopback and a /dev/shm that others may join
NOBODY = -1  # a session without a process; 0 is the kernel's own
PORT = 8080  # of a server that is started again: clients must find it where it was
LABEL = "quartet.run"  # its value: the run that the container belongs to
PATIENCE = 60.0  # seconds; the engine may be busy with others' containers

# What to do about an engine that does not answer, by words of its client, in small letters; the first that fits.
REMEDIES = {
    "permission denied": "you may not use the Docker engine; sudo usermod --append --groups docker $USER, and log in "
    "again (whoever is in that group can become root)",
    "connect to the docker": "the Docker engine is not running; sudo systemctl start docker, or without systemd "
    "sudo dockerd --bridge=none &",
}


@dataclass(frozen=True)
class State:
    """How a container is, from `docker inspect`."""

    id: str
    running: bool
    pid: int  # on the engine's machine; 0 when it does not run
    status: int  # exit status, or minus the signal's number
    out_of_memory: bool


def parse_state(text: str) -> State:
    (document,) = json.loads(text)
    state = document["State"]
    code = state["ExitCode"]
    status = 128 - code if 128 < code < 128 + 65 else code  # as in a shell: 128 + signal; our servers exit with less
    return State(document["Id"], state["Running"], state["Pid"], status, state["OOMKilled"])


def docker(*arguments: str, timeout: float = PATIENCE) -> Finished:
    return run(["docker", *arguments], timeout)


def _info() -> dict[str, Any]:
    """Raises ProcessError with the engine's error: older clients print it and exit with 0."""
    info: dict[str, Any] = json.loads(docker("info", "--format", "{{json .}}").stdout)
    if errors := info.get("ServerErrors"):
        raise ProcessError(errors[0])
    return info


def version() -> str:
    """Of the engine and of its control groups, which old engines do not tell."""
    info = _info()
    return f"Docker {info['ServerVersion']} (cgroup v{info.get('CgroupVersion', '1')})"


def missing() -> str:
    """One sentence that says what to do when containers cannot be measured here; else nothing."""
    if not shutil.which("docker"):
        return "docker is not installed; apt-get install docker.io, or measure without: --runner local"
    try:
        found = _info()
    except ProcessError as error:
        known = (remedy for words, remedy in REMEDIES.items() if words in str(error).lower())
        return next(known, f"the Docker engine does not work: {error}")
    if found["KernelVersion"] != platform.release():
        return (
            f"the Docker engine runs on another machine, or in a virtual one (Linux {found['KernelVersion']}; here "
            f"{platform.release()}), where we see no process; use an engine on this machine, or --runner local"
        )
    if not (found["CPUSet"] and found["MemoryLimit"]):
        return "the Docker engine cannot limit CPUs and memory here; give it the controllers cpuset and memory"
    return ""


def missing_base_image() -> str:
    """Pulls it where it is not here. One sentence with what to do when that fails; else nothing."""
    named = re.search(r"^ARG BASE=(.+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)  # the one place
    image = named[1] if named else ""
    if run(["docker", "image", "inspect", image], PATIENCE, good=range(256)).status == 0:
        return ""
    output.tell(f"pulling {image}")
    try:
        docker("pull", "--quiet", image, timeout=300)
        return ""
    except ProcessError as error:
        reason = str(error).rpartition(": Error response from daemon: ")[2]
        return f"the image {image} is not here, nor can it be pulled ({reason}); make it with docker/base-image"


def build(target: str) -> str:
    """Makes an image as far as Docker's cache has no current one; returns its id. Raises ProcessError."""
    tag, started = f"quartet-{target}", time.monotonic()
    output.tell(f"building the image {tag}")
    # the host's network: the engine may have no other, and a proxy may listen on this machine's loopback
    proxies = [word for name in ("http_proxy", "https_proxy", "no_proxy") for word in ("--build-arg", name)]
    dockerfile = ["--file", str(DOCKERFILE), "--target", target, "--tag", tag]
    run(["docker", "build", "--network", "host", *proxies, *dockerfile, str(ROOT)], 3600, show=_show)
    _show("")
    output.tell(f"built in {time.monotonic() - started:.0f} s")
    return docker("image", "inspect", "--format", "{{.Id}}", tag).stdout.strip()


def _show(line: str) -> None:
    """On one line of a terminal; elsewhere nothing."""
    if sys.stderr.isatty():
        output.tell(f"\r\x1b[K{line[:100]}", end="")


def create(name: str, options: Sequence[str], image: str, argv: Sequence[str]) -> str:
    """A container that is not started. Returns the command. An interruption waits until it is on record, or it could
    come to be after everything was tidied up."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        return docker("create", "--name", name, *options, image, *argv).command
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def inside(home: str) -> list[str]:
    """Options: that container's network and /dev/shm."""
    return ["--network", f"container:{home}", "--ipc", f"container:{home}"]


def inspect(name: str) -> State:
    return parse_state(docker("inspect", "--type", "container", name).stdout)


def remove(*names: str) -> None:
    """Ends and removes them; those that are gone already do not matter."""
    if names:
        run(["docker", "rm", "--force", "--volumes", *names], PATIENCE, good=(0, 1))


def labelled() -> dict[str, str]:
    """The runs that containers belong to, by the containers' ids; ended containers too."""
    template = '{{.ID}} {{.Label "' + LABEL + '"}}'
    listed = docker("ps", "--all", "--no-trunc", "--filter", f"label={LABEL}", "--format", template).stdout
    return dict(line.split(maxsplit=1) for line in listed.splitlines())


def run_id() -> str:
    """Of this harness, so that a later one can tell whether it still lives: pid and start."""
    return "-".join(map(str, procfs.identity(os.getpid()) or (os.getpid(), 0)))


def is_abandoned(run: str) -> bool:
    """The run's harness is gone."""
    pid, _, start = run.partition("-")
    return not pid.isdigit() or procfs.identity(int(pid)) != (int(pid), int(start or 0))


@dataclass
class Containers:
    log: Path  # the servers' stderr
    memory_limit: int = MEMORY_LIMIT  # MiB of a server
    name: str = "docker"
    description: str = ""
    run: str = field(default_factory=run_id)
    images: dict[str, str] = field(default_factory=dict)  # their ids
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def missing(self, executables: Sequence[str]) -> str:
        return missing() or missing_base_image()

    def prepare(self) -> None:
        """Builds the images, which is quick when nothing has changed, and removes what a killed run left behind."""
        self.remove_abandoned()
        self.images = {target: build(target) for target in ("server", "load")}
        self.description = (
            f"server and load each in a container of {version()}, with {self.memory_limit} MiB at most, "
            "no network but a shared loopback, and Docker's seccomp profile"
        )

    def describe(self, executable: str) -> str:
        """By the image, which prepare() has built."""
        return self._output("server", executable, "--describe")

    def versions(self, executables: Sequence[str]) -> dict[str, str]:
        ids = {f"image quartet-{target}": one.removeprefix("sha256:")[:12] for target, one in self.images.items()}
        return {name: self._version(name) for name in executables} | ids

    def _version(self, executable: str) -> str:
        if executable == wrk.EXECUTABLE:
            return wrk.version(self._output("load", "sh", "-c", "wrk -v || true"))
        target = "load" if executable == pace.EXECUTABLE else "server"
        return ", ".join(self._output(target, executable, "--version").splitlines())

    def start(self, argv: Sequence[str], cpus: CpuSets, under: Sequence[str] = ()) -> Server:
        return ContainerServer(self, [*under, *argv], cpus, next(self._numbers))

    def start_kept(self, argv: Sequence[str], cpus: CpuSets, under: Sequence[str] = ()) -> Server:
        """One that Docker starts again when it has failed."""
        return KeptServer(self, [*under, *argv], cpus, next(self._numbers))

    def close(self) -> None:
        """Safe at any time, even when the engine has gone."""
        processes.end_all()
        if not self.images:
            return
        try:
            remove(*(name for name, run in labelled().items() if run == self.run))
        except ProcessError as error:
            output.tell(f"loadtest/run: containers may be left behind: {error}")

    def remove_abandoned(self) -> None:
        names = [name for name, run in labelled().items() if is_abandoned(run)]
        remove(*names)
        if names:
            output.tell(f"removed {len(names)} containers that an earlier run left behind")

    def options(self, cpus: Sequence[int], mebibytes: int) -> list[str]:
        """What all containers of a run have in common; the log driver only copies, and nobody reads it."""
        files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)  # as processes.prepare() does natively
        # our own id, so that smaps_rollup is ours to read; root does not need that, and a server must not be root
        user = ["--user", f"{os.getuid()}:{os.getgid()}"] if os.getuid() != 0 else []
        return [
            *("--label", f"{LABEL}={self.run}"),
            *("--cpuset-cpus", ",".join(map(str, cpus))),
            *("--memory", f"{mebibytes}m", "--memory-swap", f"{mebibytes}m"),
            *("--ulimit", f"nofile={files}:{files}", "--ulimit", "core=0:0"),
            *("--read-only", "--tmpfs", "/tmp"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--no-healthcheck", "--log-driver", "none"),
            *user,
        ]

    def _output(self, target: str, *argv: str) -> str:
        label = ["--label", f"{LABEL}={self.run}", "--network", "none"]
        return docker("run", "--rm", *label, self.images[target], *argv).stdout


class ContainerServer(Server):
    """A server in its container, which is removed at the end, with its load container, whatever happens. The child is
    the engine's client, attached: the server's lines come to us, and it ends when the container does."""

    def __init__(self, place: Containers, argv: Sequence[str], cpus: CpuSets, number: int) -> None:
        self._place, self._cpus, self._name = place, cpus, f"quartet-{place.run}-{number}"
        self._out_of_memory = False
        with ExitStack() as undo:
            undo.push(self._remove)
            options = [*place.options(cpus.server, place.memory_limit), *self._surroundings()]
            self.command = create(self._name, options, place.images["server"], argv)
            super().__init__(["docker", "start", "--attach", self._name], place.log, timeout=30)
            undo.callback(super().__exit__)
            state = inspect(self._name)
            if not state.running:
                raise ProcessError(f"{self.command} {processes.describe_status(state.status)} as soon as it listened")
            self._init, self._group = state.pid, memory.find_group(state.pid, state.id)
            self._undo = undo.pop_all()

    @property
    def _home(self) -> str:
        """The container whose network and /dev/shm server and load have."""
        return self._name

    def _surroundings(self) -> list[str]:
        return ALONE

    def __exit__(self, *details: Any) -> None:
        self._undo.__exit__(*details)

    def _remove(self, kind: object, error: BaseException | None, trace: object) -> None:
        """After a last look at what became of it, which may explain the error."""
        try:
            self._out_of_memory |= inspect(self._name).out_of_memory
        finally:
            remove(*{self._name, f"{self._name}-load", self._home})
        if isinstance(error, MeasurementError) and self._out_of_memory:
            raise MeasurementError(f"{error} ({self.incidents()[0]})") from error

    def ask(self, job: Job[Observation], settings: Any, step: Any, tell: Tell) -> Observation:
        with processes.Dialogue(["docker", "start", "--attach", "--interactive", self._create_load()]) as clients:
            return agent.ask(clients, job, self.address, settings, step, tell)

    def _create_load(self) -> str:
        """A container beside the server's."""
        place, name = self._place, f"{self._name}-load"
        beside = ["--interactive", *inside(self._home)]
        argv = ["/usr/bin/python3", "-c", "from loadtest.places import agent; agent.main()"]
        create(name, [*place.options(self._cpus.load, MEMORY_LIMIT), *beside], place.images["load"], argv)
        return name

    def usage(self) -> Usage:
        """A control group counts no context switches."""
        began = time.monotonic()
        used = self._group.cpu_seconds()
        return Usage(began, time.monotonic(), used)

    def scoreboard(self) -> Scoreboard:
        return Scoreboard(self.address.port, Path(f"/proc/{self._init}/root"))

    def memory(self) -> Memory:
        return replace(memory.read(self.processes()), group=self._group.memory_now())

    def processes(self) -> set[tuple[int, int]]:
        """Without the container's PID 1, tini, in whose session they all are."""
        init = self.session
        return {stat.identity for stat in procfs.members(init) if stat.pid != init}

    @property
    def session(self) -> int:
        return self._init

    def has_ended(self) -> bool:
        """What the kernel knows before the engine does."""
        return super().has_ended() or not self.processes()

    def stop(self, timeout: float = 12) -> Ended:
        self._look_for_oom_kills()
        # not through the attached client: some versions leave on SIGTERM, with the last lines unread
        docker("kill", "--signal", "TERM", self._name)
        return self.wait(timeout)

    def _look_for_oom_kills(self) -> None:
        """Of workers, whom their server outlives; the engine tells of the server only."""
        self._out_of_memory |= self._group.oom_kills() > 0

    def wait(self, timeout: float) -> Ended:
        super().wait(timeout + ENGINE_LAG)
        state = inspect(self._name)
        self._out_of_memory |= state.out_of_memory
        return Ended(state.status, None)

    def incidents(self) -> list[str]:
        limit = self._place.memory_limit
        return [f"out of memory: its container's limit is {limit} MiB"] if self._out_of_memory else []


class KeptServer(ContainerServer):
    """One that Docker starts again when it has failed (--restart on-failure). A container gets a new network each time,
    and a new /dev/shm, unless it has joined another's: here that of a container which only sleeps, so that clients
    find the server where it was, and the scoreboard outlives it.

    Our client of the engine leaves at the first failure: what the server writes after that nobody reads."""

    def __init__(self, place: Containers, argv: Sequence[str], cpus: CpuSets, number: int) -> None:
        found = list(argv)
        found[found.index("--listen") + 1] = f"127.0.0.1:{PORT}"
        super().__init__(place, found, cpus, number)

    @property
    def _home(self) -> str:
        return f"{self._name}-home"

    def _surroundings(self) -> list[str]:
        """Whose container is there from now on."""
        place, nothing = self._place, ["sleep", "infinity"]
        create(self._home, [*place.options(self._cpus.load, MEMORY_LIMIT), *ALONE], place.images["server"], nothing)
        docker("start", self._home)
        return ["--restart", "on-failure", *inside(self._home)]

    @property
    def session(self) -> int:
        """Of the latest start, by the control group, which has the same path each time; between two, of nobody."""
        return next((pid for pid in self._group.processes() if procfs.is_leader(pid)), NOBODY)

    def has_ended(self) -> bool:
        """And is not to be started again."""
        return not inspect(self._name).running

    def _look_for_oom_kills(self) -> None:
        with suppress(MeasurementError):  # between two starts there is no group
            super()._look_for_oom_kills()

    def wait(self, timeout: float) -> Ended:
        """For the end of the latest start. stop() has told the engine that it is the last one."""
        deadline = time.monotonic() + timeout + ENGINE_LAG
        while (state := inspect(self._name)).running:
            if time.monotonic() > deadline:
                self.reap()
                raise self._failure(f"did not end within {timeout:g} s of {self._stop_signal.name}")
            time.sleep(0.05)
        self.reap()
        self._out_of_memory |= state.out_of_memory
        return Ended(state.status, None)
