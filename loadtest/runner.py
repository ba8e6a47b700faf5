"""Executes a plan, step by step. Every step has a server of its own, and every result is saved at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest import cpus, crash, crowd, memory, tree, validity, wrk
from loadtest.client import Client, fetch_counts
from loadtest.plan import CrashStep, CrowdStep, LoadStep, MemoryStep, Plan, Step, describe, server_arguments, steps
from loadtest.probe import Watcher
from loadtest.processes import Ended, Server, pinned
from loadtest.results import (
    CrashRun,
    CrowdRun,
    Failure,
    LoadRun,
    MeasurementError,
    Memory,
    MemoryRun,
    Outcome,
    Results,
    Survivors,
)

COUNT_AT = 0.7  # of a load run's duration: when /stats is asked who has a worker
# Runs that other load disturbed are repeated: a tenth of the load steps in all, so that a busy machine costs
# patience and not the afternoon, and each twice at most.
REPEATS = 0.1
REPEATS_OF_A_RUN = 2


@dataclass
class Runner:
    plan: Plan
    binaries: Path
    log: Path  # the servers' stderr
    results: Results
    save: Callable[[], None]
    progress: Callable[[int, Step], None]  # before every step, with its index
    _repeats_left: int = 0

    def run(self) -> None:
        """All steps. A contestant that fails is left out from there on."""
        todo = list(steps(self.plan))
        self._repeats_left = max(2, int(REPEATS * sum(isinstance(step, LoadStep) for step in todo)))
        failed: set[str] = set()
        for index, step in enumerate(todo):
            if step.contestant.name in failed:
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
        executable, *arguments = server_arguments(self.plan, step)
        return Server(pinned(self.plan.server_cpus, [str(self.binaries / executable), *arguments]), self.log)

    def _undisturbed_load(self, step: LoadStep) -> LoadRun:
        run, repeats = self._load(step), 0
        while run.disturbance.worst > validity.DISTURBED and self._repeats_left > 0 and repeats < REPEATS_OF_A_RUN:
            run, repeats = self._load(step), repeats + 1
            self._repeats_left -= 1
        run.repeats = repeats
        return run

    def _load(self, step: LoadStep) -> LoadRun:
        plan = self.plan
        with self._start(step) as server:
            used_before, before = tree.cpu_seconds(server.pid), cpus.read()
            with Watcher(server.address, plan.newcomers, plan.connections, COUNT_AT * plan.duration) as watcher:
                finished = wrk.measure(wrk.command(plan, step.cell, server.address), plan.duration)
            after = cpus.read()
            ended = self._stop(server)
        measured, used = wrk.parse(finished.stdout, plan.connections), ended.cpu_seconds - used_before
        served, last_words = watcher.clients_served, server.last_lines()
        return LoadRun(
            contestant=step.contestant.name,
            round=step.round,
            cell=step.cell.name,
            server_command=server.command,
            wrk_command=finished.command,
            wrk=measured,
            server_cpu_seconds=used,
            wrk_cpu_seconds=finished.cpu_seconds,
            clients_asked=plan.connections,
            clients_served=served,
            newcomers=watcher.newcomers,
            disturbance=cpus.disturbance(
                before, after, plan.server_cpus, plan.load_cpus, used, finished.cpu_seconds
            ),
            problems=validity.load_problems(measured, plan.connections, served, ended.status, last_words),
        )

    def _stop(self, server: Server) -> Ended:
        return server.wait(0) if server.has_ended() else server.stop()

    def _memory(self, step: MemoryStep) -> MemoryRun:
        with self._start(step) as server:
            at_start = memory.read(server.pid)
            in_hand, idle = asyncio.run(self._plateaus(server))
            server.stop()
        return MemoryRun(step.contestant.name, server.command, self.plan.connections, at_start, in_hand, idle)

    async def _plateaus(self, server: Server) -> tuple[Memory, Memory]:
        clients = [Client(server.address) for _ in range(self.plan.connections)]
        target, patience = f"/sleep?ms={self.plan.memory.sleep}", self.plan.memory.sleep / 1000 + 2
        asking = [asyncio.create_task(client.ask(target, patience)) for client in clients]
        await self._until_sleeping(server, time.monotonic() + 2)
        in_hand = await self._settled_memory(server)
        answers = await asyncio.gather(*asking)
        idle = await self._settled_memory(server)
        for client in clients:
            client.close()
        lost = sum(answer.outcome != Outcome.ok for answer in answers)
        if lost:
            raise MeasurementError(f"{server.command} left {lost} of {len(answers)} requests for {target} unanswered")
        return in_hand, idle

    async def _until_sleeping(self, server: Server, deadline: float) -> None:
        while time.monotonic() < deadline:
            counts = await fetch_counts(server.address, self.plan.newcomers.patience)
            if counts and counts.sleeping >= self.plan.connections:
                return
            await asyncio.sleep(0.01)
        raise MeasurementError(f"{server.command} did not take up {self.plan.connections} connections in time")

    async def _settled_memory(self, server: Server) -> Memory:
        """When no process comes or goes: the one that answered /stats, or a request, may still be leaving."""
        deadline = time.monotonic() + 0.2
        before, now = None, _processes(server)
        while now != before and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
            before, now = now, _processes(server)
        return memory.read(server.pid)

    def _crowd(self, step: CrowdStep) -> CrowdRun:
        with self._start(step) as server:
            served = asyncio.run(crowd.gather(server.address, self.plan.crowd, self.plan.newcomers))
            server.stop()
        return CrowdRun(
            contestant=step.contestant.name,
            server_command=server.command,
            workers=self.plan.workers if step.contestant.pool else None,
            rotation=step.rotation,
            clients_asked=self.plan.crowd.clients,
            clients_served=served.clients,
            newcomers=served.newcomers,
        )

    def _crash(self, step: CrashStep) -> CrashRun:
        settings = self.plan.crash
        looks: list[set[tuple[int, int]]] = []
        with self._start(step) as server:
            seen = asyncio.run(self._observe(server, lambda: looks.append(_processes(server))))
            status = server.wait(0).status if server.has_ended() else None
            if status is None:
                server.stop()
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

    async def _observe(self, server: Server, look: Callable[[], None]) -> crash.Observation:
        return await crash.LightLoad(server.address, self.plan.crash).observe(look)


def _processes(server: Server) -> set[tuple[int, int]]:
    return {stat.identity for stat in tree.members(server.pid)}


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
