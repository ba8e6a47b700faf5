"""Servers and clients in containers, one of each for every step.

The server's container has no network but its own loopback (`--network none`). The load container joins its network and
its /dev/shm, not its pid namespace: a namespace ends with its PID 1, and the clients have to outlive a crash. The
agent in it does the clients' side; memory, CPU time and processes are read from outside, so that nothing but the server
is charged to the server's container.
"""

import itertools
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loadtest.clients import pace
from loadtest.places import agent, cgroup, docker
from loadtest.places.place import Job, Observation, Server, Tell
from loadtest.system import memory, output, processes, tree
from loadtest.system.cpus import CpuSets
from loadtest.system.errors import MeasurementError
from loadtest.system.memory import Memory
from loadtest.system.processes import Ended, ProcessError, describe_status

MEMORY_LIMIT = 2048  # MiB of each container
ENGINE_LAG = 10.0  # seconds after a server's end in which the engine should have noticed


def run_id() -> str:
    """Of this harness, so that a later one can tell whether it still lives: pid and start."""
    return "-".join(map(str, tree.identity(os.getpid()) or (os.getpid(), 0)))


def is_abandoned(run: str) -> bool:
    """The run's harness is gone."""
    pid, _, start = run.partition("-")
    return not pid.isdigit() or tree.identity(int(pid)) != (int(pid), int(start or 0))


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
        return docker.missing() or docker.missing_base_image()

    def prepare(self) -> None:
        """Builds the images, which is quick when nothing has changed, and removes what a killed run left behind."""
        self.remove_abandoned()
        self.images = {target: docker.build(target) for target in ("server", "load")}
        self.description = (
            f"server and load each in a container of {docker.version()}, with {self.memory_limit} MiB at most, "
            "no network but a shared loopback, and Docker's seccomp profile"
        )

    def describe(self, executable: str) -> str:
        """By the image, which prepare() has built."""
        return self._output("server", executable, "--describe")

    def versions(self, executables: Sequence[str]) -> dict[str, str]:
        return {
            "wrk": self._output("load", "sh", "-c", "wrk -v || true").split()[1],
            **{name: ", ".join(self._output(_image_of(name), name, "--version").splitlines()) for name in executables},
            **{f"image quartet-{target}": image.removeprefix("sha256:")[:12] for target, image in self.images.items()},
        }

    def start(self, argv: Sequence[str], cpus: CpuSets) -> Server:
        return ContainerServer(self, argv, cpus, next(self._numbers))

    def close(self) -> None:
        """Safe at any time, even when the engine has gone."""
        processes.end_all()
        if not self.images:
            return
        try:
            self._remove(lambda run: run == self.run)
        except ProcessError as error:
            output.tell(f"loadtest/run: containers may be left behind: {error}")

    def remove_abandoned(self) -> None:
        count = self._remove(is_abandoned)
        if count:
            output.tell(f"removed {count} containers that an earlier run left behind")

    def _remove(self, belongs: Callable[[str], bool]) -> int:
        names = [name for name, run in docker.labelled().items() if belongs(run)]
        if names:
            docker.remove(*names)
        return len(names)

    def options(self, cpus: Sequence[int], mebibytes: int) -> list[str]:
        """What all containers of a run have in common; the log driver only copies, and nobody reads it."""
        files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)  # as prepare_limits does natively
        # our own id, so that smaps_rollup is ours to read; root does not need that, and a server must not be root
        user = ["--user", f"{os.getuid()}:{os.getgid()}"] if os.getuid() != 0 else []
        return [
            *("--label", f"{docker.LABEL}={self.run}"),
            *("--cpuset-cpus", ",".join(map(str, cpus))),
            *("--memory", f"{mebibytes}m", "--memory-swap", f"{mebibytes}m"),
            *("--ulimit", f"nofile={files}:{files}", "--ulimit", "core=0:0"),
            *("--read-only", "--tmpfs", "/tmp"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--no-healthcheck", "--log-driver", "none"),
            *user,
        ]

    def _output(self, target: str, *argv: str) -> str:
        label = ["--label", f"{docker.LABEL}={self.run}", "--network", "none"]
        return docker.docker("run", "--rm", *label, self.images[target], *argv).stdout


def _image_of(executable: str) -> str:
    return "load" if executable == pace.EXECUTABLE else "server"


class ContainerServer(Server):
    """A server in its container, which is removed at the end, with its load container, whatever happens. The child is
    the engine's client, attached: the server's lines come to us, and it ends when the container does."""

    def __init__(self, place: Containers, argv: Sequence[str], cpus: CpuSets, number: int) -> None:
        self._place, self._cpus, self._name = place, cpus, f"quartet-{place.run}-{number}"
        self._out_of_memory = False
        options = [*place.options(cpus.server, place.memory_limit), "--network", "none", "--ipc", "shareable"]
        self.command = docker.create(self._name, options, place.images["server"], argv)
        with ExitStack() as undo:
            undo.push(self._remove)
            super().__init__(["docker", "start", "--attach", self._name], place.log, timeout=30)
            undo.callback(super().__exit__)
            state = docker.inspect(self._name)
            if not state.running:
                raise ProcessError(f"{self.command} {describe_status(state.status)} as soon as it listened")
            self._init, self._group = state.pid, cgroup.find(state.pid, state.id)
            self._undo = undo.pop_all()

    def __exit__(self, *details: Any) -> None:
        self._undo.__exit__(*details)

    def _remove(self, kind: object, error: BaseException | None, trace: object) -> None:
        """After a last look at what became of it, which may explain the error."""
        try:
            self._out_of_memory |= docker.inspect(self._name).out_of_memory
        finally:
            docker.remove(self._name, f"{self._name}-load")
        if isinstance(error, MeasurementError) and self._out_of_memory:
            raise MeasurementError(f"{error} ({self.incidents()[0]})") from error

    def ask(self, job: Job[Observation], settings: Any, step: Any, tell: Tell) -> Observation:
        with processes.Dialogue(["docker", "start", "--attach", "--interactive", self._create_load()]) as clients:
            return agent.ask(clients, job, self.address, settings, step, tell)

    def _create_load(self) -> str:
        """A container beside the server's."""
        place, name, server = self._place, f"{self._name}-load", f"container:{self._name}"
        beside = ["--interactive", "--network", server, "--ipc", server]
        argv = ["/usr/bin/python3", "-m", "loadtest.places.agent"]
        docker.create(name, [*place.options(self._cpus.load, MEMORY_LIMIT), *beside], place.images["load"], argv)
        return name

    def cpu_seconds(self) -> float:
        return self._group.cpu_seconds()

    def switches(self) -> None:
        """A control group counts none."""

    def memory(self) -> Memory:
        return replace(memory.read(self.processes()), group=self._group.memory_now())

    def processes(self) -> set[tuple[int, int]]:
        """Without the container's PID 1, tini, in whose session they all are."""
        return {stat.identity for stat in tree.members(self._init) if stat.pid != self._init}

    def has_ended(self) -> bool:
        """What the kernel knows before the engine does."""
        return super().has_ended() or not self.processes()

    def stop(self, timeout: float = 12) -> Ended:
        used = self.cpu_seconds()  # until now, without the drain: the group ends with the container
        # of workers, whom their server outlives; the engine tells of the server only
        self._out_of_memory |= self._group.oom_kills() > 0
        # not through the attached client: some versions leave on SIGTERM, with the last lines unread
        docker.docker("kill", "--signal", "TERM", self._name)
        return replace(self.wait(timeout), cpu_seconds=used)

    def wait(self, timeout: float) -> Ended:
        super().wait(timeout + ENGINE_LAG)
        state = docker.inspect(self._name)
        self._out_of_memory |= state.out_of_memory
        return Ended(state.status, None)

    def incidents(self) -> list[str]:
        limit = self._place.memory_limit
        return [f"out of memory: its container's limit is {limit} MiB"] if self._out_of_memory else []
