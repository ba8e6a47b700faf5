"""Executes the steps of `memory`, one by one. Every step has a server of its own, and every result is saved at once."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtest.engine.run import Failure
from loadtest.places import launch
from loadtest.places.place import Place, Server
from loadtest.system import machine_memory, memory
from loadtest.system.errors import MeasurementError
from loadtest.system.machine_memory import MachineMemory
from loadtest.system.memory import Memory
from loadtest.system.processes import Ended, describe_status
from loadtest.verbs.memory import clients
from loadtest.verbs.memory.plan import (
    DecayPoint,
    DecayRun,
    DecayStep,
    IdleResults,
    IdleRun,
    IdleStep,
    Step,
    describe,
    held_by,
    more_options,
    steps,
    workers,
)

SPARE_DESCRIPTORS = 64  # of a process, besides its connections
SETTLING = 3.0  # seconds in which a server should have come to rest
PAUSE = 0.1  # seconds between two looks
ALIKE = 0.001  # of the PSS, in which others' use of the same libraries shows
# What of the machine's change may still be there afterwards: more, and somebody else has had a hand in it.
LEFT, LEFT_AT_LEAST = 0.05, 1 << 20  # as a share; bytes


@dataclass
class IdleRunner:
    place: Place
    results: IdleResults
    directory: Path  # of the run: peers keep their files there
    save: Callable[[], None]
    progress: Callable[[int, Step], None]  # before every step, with its index

    def run(self) -> None:
        """All steps that have no result yet. A level that fails once is left out in later rounds."""
        self.results.failures.clear()  # of an earlier attempt: those steps are tried again
        failed: set[tuple[object, ...]] = set()
        for index, step in enumerate(steps(self.results.settings)):
            if self._has(step) or _cell(step) in failed:
                continue
            self.progress(index, step)
            try:
                self._execute(step)
            except MeasurementError as error:
                failed.add(_cell(step))
                self.results.failures.append(Failure(step.contestant.name, describe(step), str(error)))
            self.save()

    def _has(self, step: Step) -> bool:
        if isinstance(step, DecayStep):
            return any(run.contestant == step.contestant.name for run in self.results.decay)
        wanted = (step.contestant.name, step.round, step.connections)
        return any((run.contestant, run.round, run.connections) == wanted for run in self.results.idle)

    def _execute(self, step: Step) -> None:
        match step:
            case IdleStep():
                self.results.idle.append(self._idle(step))
            case DecayStep():
                self.results.decay.append(self._decay(step))

    def _start(self, step: Step) -> Server:
        settings = self.results.settings
        return launch.start(
            self.place,
            held_by(settings, step),
            self.directory,
            settings.cpus,
            workers=workers(settings, step),
            connections=step.connections if isinstance(step, IdleStep) else settings.decay.workers,
            more=more_options(step),
        )

    def _idle(self, step: IdleStep) -> IdleRun:
        _need_descriptors(step.connections)
        looks: list[tuple[Memory, MachineMemory | None]] = []

        def look(moment: str) -> None:
            looks.append((_settled_memory(server), None if hidden else machine_memory.read()))

        before, hidden = _before()
        with self._start(step) as server:
            seen = server.ask(clients.hold, self.results.settings, step, look)
            _stop(server)
        found, during = looks[0]
        machine, left, problem = _machine(found, before, during) if before and during else (None, None, hidden)
        return IdleRun(
            contestant=step.contestant.name,
            round=step.round,
            connections=step.connections,
            server_command=server.command,
            client=seen,
            memory=found,
            machine=machine,
            machine_left=left,
            machine_problem=problem,
        )

    def _decay(self, step: DecayStep) -> DecayRun:
        points: list[DecayPoint] = []

        def look(moment: str) -> None:
            found = _settled_memory(server)
            each = [memory.read([one]).private for one in sorted(server.processes())]
            points.append(DecayPoint(int(moment), found, [size for size in each if size is not None]))

        with self._start(step) as server:
            seen = server.ask(clients.wear, self.results.settings, step, look)
            _stop(server)
        return DecayRun(step.contestant.name, server.command, seen.commands, points)


def _cell(step: Step) -> tuple[object, ...]:
    """What is the same in every round."""
    return (step.contestant.name, step.connections if isinstance(step, IdleStep) else "decay")


def _need_descriptors(connections: int) -> None:
    """Of the server and of the client; both raise their soft limit themselves."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < connections + SPARE_DESCRIPTORS:
        raise MeasurementError(
            f"{connections:,} connections need {connections + SPARE_DESCRIPTORS:,} descriptors in one process, and the "
            f"hard limit is {hard:,}; raise it: ulimit -Hn {connections + SPARE_DESCRIPTORS} (as root)"
        )


def _stop(server: Server) -> Ended:
    """Raises MeasurementError when it did not end as it should: whatever befell it may have changed its memory."""
    ended = server.wait(0) if server.has_ended() else server.stop()
    if ended.status != 0:
        raise MeasurementError(f"the server {describe_status(ended.status)}{server.last_lines()}")
    if server.incidents():
        raise MeasurementError("the server lost a process")  # its sentence is added on the way out
    return ended


def _settled_memory(server: Server) -> Memory:
    """When no process comes or goes and no memory is freed any more: a loop sweeps, and a process that has answered
    may still be leaving."""
    deadline = time.monotonic() + SETTLING
    before, now = None, server.memory()
    while not (before and _alike(before, now)) and time.monotonic() < deadline:
        time.sleep(PAUSE)
        before, now = now, server.memory()
    return now


def _alike(one: Memory, other: Memory) -> bool:
    known, later = one.pss or 0, other.pss or 0
    return one.processes == other.processes and abs(later - known) <= ALIKE * known


def _before() -> tuple[MachineMemory | None, str]:
    """The machine's memory, or why the kernel does not tell."""
    try:
        return machine_memory.settled(), ""
    except MeasurementError as error:
        return None, str(error)


def _machine(
    found: Memory, before: MachineMemory, during: MachineMemory
) -> tuple[MachineMemory | None, int | None, str]:
    """The machine's change, where it is needed and can be believed: what was not there before, and is no longer there
    after the server has gone."""
    if found.group:
        return None, None, "the server's control group tells"
    change, left = during - before, (machine_memory.settled() - before).total
    if abs(left) > max(LEFT * abs(change.total), LEFT_AT_LEAST):
        reason = f"somebody else had a hand in it: {left / 2**20:+.1f} MiB after the server had gone"
        return None, left, reason
    return change, left, ""
