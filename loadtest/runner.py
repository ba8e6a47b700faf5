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
REPEATS = 0.1  # of the load steps, at most, are repeated because of other load


@dataclass
class Runner:
    plan: Plan
    binaries: Path
    log: Path  # the servers' stderr
    results: Results
    save: Callable[[], None]
    progress: Callable[[int, Step], None]  # before every step, with its index

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
        run = self._load(step)
        while run.disturbance.worst > validity.DISTURBED and self._repeats_left > 0:
            self._repeats_left -= 1
            repeats = run.repeats + 1
            run = self._load(step)
            run.repeats = repeats
        return run

    def _load(self, step: LoadStep) -> LoadRun:
        with self._start(step) as server:
            argv = wrk.command(self.plan, step.cell, server.address)
            used_before, before = tree.cpu_seconds(server.pid), cpus.read()
            late = COUNT_AT * self.plan.duration
            with Watcher(server.address, self.plan.newcomers, self.plan.connections, late) as watcher:
                finished = wrk.measure(argv, self.plan.duration)
            after = cpus.read()
            ended = self._stop(server)
        measured = wrk.parse(finished.stdout, self.plan.connections)
        used = ended.cpu_seconds - used_before
        return LoadRun(
            contestant=step.contestant.name,
            round=step.round,
            cell=step.cell.name,
            server_command=server.command,
            wrk_command=finished.command,
            wrk=measured,
            server_cpu_seconds=used,
            wrk_cpu_seconds=finished.cpu_seconds,
            clients_asked=self.plan.connections,
            clients_served=watcher.clients_served,
            newcomers=watcher.newcomers,
            disturbance=cpus.disturbance(
                before, after, self.plan.server_cpus, self.plan.load_cpus, used, finished.cpu_seconds
            ),
            problems=validity.load_problems(
                measured, self.plan.connections, watcher.clients_served, ended.status, server.last_lines()
            ),
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
