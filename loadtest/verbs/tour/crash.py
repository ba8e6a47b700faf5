"""A fault under a light load on a fixed schedule, where every single request is accounted for.

The client is our own, because wrk would show a dead server as a pause without errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.clients.client import Answer, Client
from loadtest.clients.outcomes import Outcome
from loadtest.system.processes import Address
from loadtest.verbs.tour import plan
from loadtest.verbs.tour.results import Attempt

CUT = frozenset({Outcome.eof, Outcome.truncated, Outcome.reset})


@dataclass
class Observation:
    attempts: list[Attempt]
    faulty: Outcome
    connections_before: int
    connections_kept: int


class LightLoad:
    """Request k is due at k / rate and belongs to client k modulo clients, whatever became of those before."""

    def __init__(self, address: Address, settings: plan.Crash) -> None:
        self._address = address
        self._settings = settings
        self._clients = [Client(address) for _ in range(settings.clients)]
        self._turns = [asyncio.Lock() for _ in self._clients]
        self._attempts: list[Attempt] = []
        self._start = asyncio.get_running_loop().time()

    async def observe(self, look: Callable[[], object]) -> Observation:
        """`look` is called three times, to see the processes: half-way to the fault, right before it, at the end."""
        requests = asyncio.create_task(self._send_all())
        await self._until(self._settings.fault_at / 2)
        look()
        await self._until(self._settings.fault_at)
        look()
        connections = [(client, client.connection) for client in self._clients if client.connected]
        faulty = await self._fault()
        await requests
        look()
        kept = sum(client.connected and client.connection == number for client, number in connections)
        for client in self._clients:
            client.close()
        return Observation(sorted(self._attempts, key=lambda one: one.due), faulty.outcome, len(connections), kept)

    async def _until(self, time: float) -> None:
        await asyncio.sleep(self._start + time - asyncio.get_running_loop().time())

    async def _send_all(self) -> None:
        settings, sent = self._settings, []
        for number in range(int(settings.end * settings.rate)):
            await self._until(number / settings.rate)
            sent.append(asyncio.create_task(self._send(number % settings.clients, number / settings.rate)))
        await asyncio.gather(*sent)

    async def _send(self, client: int, due: float) -> None:
        async with self._turns[client]:
            answer = await self._clients[client].ask(self._settings.path, self._settings.patience)
        done = asyncio.get_running_loop().time() - self._start
        self._attempts.append(Attempt(client, due, done, answer.outcome))

    async def _fault(self) -> Answer:
        client = Client(self._address)
        answer = await client.ask(self._settings.fault, self._settings.patience, method="POST")
        client.close()
        return answer


def lost_in_hand(attempts: Sequence[Attempt]) -> int:
    """Requests that the server had, or could have had, and did not answer."""
    return sum(attempt.outcome in CUT for attempt in attempts)


def turned_away(attempts: Sequence[Attempt]) -> int:
    """Requests that met nobody, or nobody in time."""
    return sum(attempt.outcome in {Outcome.refused, Outcome.timed_out} for attempt in attempts)


def answered_wrongly(attempts: Sequence[Attempt]) -> int:
    return sum(attempt.outcome in {Outcome.error_status, Outcome.wrong_content} for attempt in attempts)


@dataclass(frozen=True)
class Outage:
    seconds: float
    lasting: bool  # until the end of the observation


def slowest_answer(attempts: Sequence[Attempt], fault_at: float) -> float | None:
    """Seconds from due to answered, of requests due after the fault; None when none was answered."""
    waits = [one.done - one.due for one in attempts if one.due >= fault_at and one.outcome == Outcome.ok]
    return max(waits, default=None)


def time_without_service(attempts: Sequence[Attempt], fault_at: float, end: float) -> Outage:
    """Of requests due after the fault: from each first loss to the next that is answered, summed. Requests that
    were in hand at the fault are losses, but say nothing about the time after it."""
    later = sorted((one for one in attempts if one.due >= fault_at), key=lambda one: one.due)
    total, since = 0.0, None
    for attempt in later:
        if attempt.outcome == Outcome.ok and since is not None:
            total, since = total + attempt.due - since, None
        elif attempt.outcome != Outcome.ok and since is None:
            since = attempt.due
    return Outage(total, False) if since is None else Outage(total + end - since, True)
