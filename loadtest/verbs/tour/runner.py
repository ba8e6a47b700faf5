"""Executes a plan, step by step. Every step has a server of its own, and every result is saved at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.clients import wrk
from loadtest.engine.run import Failure
from loadtest.places.place import Place, Server
from loadtest.statistics.validity import DISTURBED
from loadtest.system import cpus, sockets
from loadtest.system.errors import MeasurementError
from loadtest.system.memory import Memory
from loadtest.system.processes import Ended, describe_status
from loadtest.verbs.tour import clients, crash
from loadtest.verbs.tour.plan import (
    CrashStep,
    CrowdStep,
    LoadStep,
    MemoryStep,
    Plan,
    Step,
    describe,
    server_arguments,
    steps,
)
from loadtest.verbs.tour.results import CrashRun, CrowdRun, LoadRun, MemoryRun, Survivors, TourResults
from loadtest.verbs.tour.validity import load_problems

# Runs that other load disturbed are repeated: a tenth of the load steps in all, so that a busy machine costs
# patience and not the afternoon, and each twice at most.
REPEATS = 0.1
REPEATS_OF_A_RUN = 2


@dataclass
class Runner:
    plan: Plan
    place: Place
    results: TourResults
    save: Callable[[], None]
    progress: Callable[[int, Step], None]  # before every step, with its index
    _repeats_left: int = 0

    def run(self) -> None:
        """All steps that have no result yet. A contestant that fails is left out from there on."""
        todo = list(steps(self.plan))
        measured = done(self.results)
        self._repeats_left = max(2, int(REPEATS * sum(isinstance(step, LoadStep) for step in todo)))
        failed: set[str] = set()
        for index, step in enumerate(todo):
            if step.contestant.name in failed or identity(step) in measured:
                continue
            self.progress(index, step)
            try:
                self._execute(step)
            except MeasurementError as error:
                failed.add(step.contestant.name)
                self.results.failures.append(Failure(step.contestant.name, describe(step), str(error)))
            self.save()

    def _execute(self, step: Step) -> None:
        match step:
            case LoadStep():
                self.results.loads.append(self._undisturbed_load(step))
            case MemoryStep():
                self.results.memory.append(self._memory(step))
            case CrowdStep():
                self.results.crowds.append(self._crowd(step))
            case CrashStep():
                self.results.crashes.append(self._crash(step))

    def _start(self, step: Step) -> Server:
        return self.place.start(server_arguments(self.plan, step), self.plan.cpus)

    def _undisturbed_load(self, step: LoadStep) -> LoadRun:
        run, repeats = self._load(step), 0
        while run.disturbance.worst > DISTURBED and self._repeats_left > 0 and repeats < REPEATS_OF_A_RUN:
            run, repeats = self._load(step), repeats + 1
            self._repeats_left -= 1
        run.repeats = repeats
        return run

    def _load(self, step: LoadStep) -> LoadRun:
        plan = self.plan
        with self._start(step) as server:
            used_before = server.cpu_seconds()
            seen = server.ask(clients.load, plan, step, _nobody_looks)
            ended = _stop(server)
            if ended.cpu_seconds is None:
                raise MeasurementError(f"under load the server {describe_status(ended.status)}{server.last_lines()}")
        measured = wrk.parse(seen.wrk_output, clients.wrk_load(plan, step)).without_histograms()
        used = ended.cpu_seconds - used_before
        no_ports = sockets.port_problem(seen.sockets_before, seen.sockets_after, measured.errors.connect)
        problems = load_problems(measured, plan.connections, seen.clients_served, ended.status, server.last_lines())
        return LoadRun(
            contestant=step.contestant.name,
            round=step.round,
            cell=step.cell.name,
            server_command=server.command,
            wrk_command=seen.wrk_command,
            wrk=measured,
            server_cpu_seconds=used,
            wrk_cpu_seconds=seen.wrk_cpu_seconds,
            clients_asked=plan.connections,
            clients_served=seen.clients_served,
            newcomers=seen.newcomers,
            disturbance=cpus.disturbance(seen.before, seen.after, plan.cpus, used, seen.wrk_cpu_seconds),
            problems=[*problems, *filter(None, [no_ports]), *server.incidents()],
        )

    def _memory(self, step: MemoryStep) -> MemoryRun:
        plateaus: dict[str, Memory] = {}

        def look(moment: str) -> None:
            plateaus[moment] = _settled_memory(server)

        with self._start(step) as server:
            at_start = server.memory()
            server.ask(clients.plateaus, self.plan, step, look)
            server.stop()
            _refuse_incidents(server)
        return MemoryRun(
            contestant=step.contestant.name,
            server_command=server.command,
            connections=self.plan.connections,
            at_start=at_start,
            in_hand=plateaus["busy"],
            idle=plateaus["idle"],
        )

    def _crowd(self, step: CrowdStep) -> CrowdRun:
        with self._start(step) as server:
            served = server.ask(clients.crowd, self.plan, step, _nobody_looks)
            server.stop()
            _refuse_incidents(server)
        return CrowdRun(
            contestant=step.contestant.name,
            server_command=server.command,
            workers=self.plan.workers if step.contestant.known.pool else None,
            rotation=step.rotation,
            clients_asked=self.plan.crowd.clients,
            clients_served=served.clients,
            newcomers=served.newcomers,
        )

    def _crash(self, step: CrashStep) -> CrashRun:
        settings = self.plan.crash
        looks: list[set[tuple[int, int]]] = []
        with self._start(step) as server:
            seen = server.ask(clients.crash, self.plan, step, lambda _: looks.append(server.processes()))
            status = server.wait(0).status if server.has_ended() else None
            if status is None:
                server.stop()
            _refuse_incidents(server)
        return CrashRun(
            contestant=step.contestant.name,
            server_command=server.command,
            fault_at=settings.fault_at,
            end=settings.end,
            rate=settings.rate,
            faulty=seen.faulty,
            attempts=seen.attempts,
            survivors=survivors(looks, seen, status),
        )


def identity(step: Step) -> tuple[object, ...]:
    """What tells its result from those of all other steps."""
    match step:
        case LoadStep():
            return LoadRun, step.contestant.name, step.round, step.cell.name
        case MemoryStep():
            return MemoryRun, step.contestant.name
        case CrowdStep():
            return CrowdRun, step.contestant.name, step.rotation
        case CrashStep():
            return CrashRun, step.contestant.name


def done(results: TourResults) -> set[tuple[object, ...]]:
    """The identities of the steps that have a result."""
    return {
        *((LoadRun, run.contestant, run.round, run.cell) for run in results.loads),
        *((MemoryRun, run.contestant) for run in results.memory),
        *((CrowdRun, run.contestant, run.rotation) for run in results.crowds),
        *((CrashRun, run.contestant) for run in results.crashes),
    }


def _nobody_looks(moment: str) -> None:
    """For steps that need no look at the server's processes."""


def _stop(server: Server) -> Ended:
    return server.wait(0) if server.has_ended() else server.stop()


def _refuse_incidents(server: Server) -> None:
    """What befell the server makes the step worthless; its sentence is added on the way out."""
    if server.incidents():
        raise MeasurementError("the server lost a process that the step did not mean to kill")


def _settled_memory(server: Server) -> Memory:
    """When no process comes or goes: the one that answered /stats, or a request, may still be leaving."""
    deadline = time.monotonic() + 0.2
    before, now = None, server.processes()
    while now != before and time.monotonic() < deadline:
        time.sleep(0.02)
        before, now = now, server.processes()
    return server.memory()


def survivors(looks: Sequence[set[tuple[int, int]]], seen: crash.Observation, status: int | None) -> Survivors:
    """From looks half-way to the fault, right before it, and at the end. Who is there only once of the first two
    lives for one request and does not count."""
    halfway, before, at_end = looks
    return Survivors(
        processes_before=len(halfway & before),
        processes_kept=len(halfway & before & at_end),
        processes_new=len(at_end - halfway - before),
        connections_before=seen.connections_before,
        connections_kept=seen.connections_kept,
        server_status=status,
    )
