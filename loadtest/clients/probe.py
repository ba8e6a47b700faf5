"""The newcomer probe: beside every load, somebody new connects every 100 ms.

wrk cannot see a client that never gets a worker (it records a latency when a response completes), so the probe does.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from loadtest.clients.client import Client, fetch_counts
from loadtest.clients.outcomes import Newcomers, Outcome
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address


@dataclass(frozen=True)
class Schedule:
    """Of newcomers: a fresh connection at a time, as somebody new would open it."""

    interval: float = 0.1  # seconds
    patience: float = 0.5  # seconds until a newcomer gives up
    path: str = "/plaintext"


class NewcomerProbe:
    """Sends newcomers on schedule and records what became of them."""

    def __init__(self, address: Address, settings: Schedule) -> None:
        self._address = address
        self._settings = settings
        self._outcomes: Counter[Outcome] = Counter()
        self._waits: list[float] = []
        self.sent = 0

    @property
    def pending(self) -> int:
        return self.sent - sum(self._outcomes.values())

    @property
    def newcomers(self) -> Newcomers:
        return Newcomers(dict(self._outcomes), list(self._waits))

    async def watch(self, until: asyncio.Event) -> None:
        """Those whom the event leaves waiting are not counted as asked."""
        clock = asyncio.get_running_loop().time
        due = clock() + self._settings.interval
        tasks: list[asyncio.Task[None]] = []
        while not await happens(until, due - clock()):
            tasks.append(asyncio.create_task(self._send(due)))
            self.sent += 1
            due += self._settings.interval
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, due: float) -> None:
        newcomer = Client(self._address)
        answer = await newcomer.ask(self._settings.path, self._settings.patience)
        newcomer.close()
        self._outcomes[answer.outcome] += 1
        if answer.outcome == Outcome.ok:
            self._waits.append(asyncio.get_running_loop().time() - due)


async def happens(event: asyncio.Event, within: float) -> bool:
    """Waits for the event, `within` seconds at most. Returns whether it has happened."""
    try:
        async with asyncio.timeout(max(within, 0)):
            return await event.wait()
    except TimeoutError:
        return False


class Watcher:
    """A context manager: newcomers come from a thread while this one waits for wrk. Towards the end, /stats is asked
    how many connections workers have taken up."""

    def __init__(self, address: Address, settings: Schedule, clients: int, count_after: float | None) -> None:
        """`count_after` seconds after the start it is counted how many of so many clients have a worker; None: never,
        for servers that cannot tell."""
        self._address = address
        self._settings = settings
        self._clients = clients
        self._count_after = count_after
        self._probe = NewcomerProbe(address, settings)
        self._thread = threading.Thread(target=self._run, name="newcomers", daemon=True)
        self._error: MeasurementError | None = None
        self._started = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        self.clients_served: int | None = None  # None: /stats was not answered

    @property
    def newcomers(self) -> Newcomers:
        return self._probe.newcomers

    def __enter__(self) -> Watcher:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._thread.join()
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._watch())
        except MeasurementError as error:
            self._error = error  # for the thread that measures

    async def _watch(self) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(ended.set)
        self._started.set()
        if self._count_after is None:
            await self._probe.watch(ended)
            return
        counting = asyncio.create_task(self._count(ended, self._count_after))
        await self._probe.watch(ended)
        counting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await counting

    async def _count(self, ended: asyncio.Event, after: float) -> None:
        """Of the connections that workers have taken up, some are newcomers' and our own. Accept queues are first in,
        first out: if enough are taken up, the clients' are among them, however often they reconnect."""
        own, wait = 0, after
        while self.clients_served is None and not await happens(ended, wait):
            own, wait = own + 1, self._settings.interval / 10
            answered = self._probe.sent - self._probe.pending
            counts = await fetch_counts(self._address, self._settings.patience)
            if counts is None:
                return
            at_least = counts.connections - self._probe.sent - own
            exact = self._probe.sent == answered  # no newcomer was on its way, who may or may not be in the count
            if exact or at_least >= self._clients:
                self.clients_served = min(at_least, self._clients)
