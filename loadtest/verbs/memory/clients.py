"""The clients' side of the steps of `memory`, by quartet-pace: like the other jobs of clients.py, it runs where the
server can be reached and knows nothing of it but the address."""

from __future__ import annotations

import asyncio
import json
import math
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loadtest.clients.client import Client, fetch_counts
from loadtest.clients.outcomes import Outcome
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address, Dialogue, Finished, ProcessError, pinned, run
from loadtest.verbs.memory.plan import DecayStep, Held, IdleSettings, IdleStep, Step

ANNOUNCEMENT = re.compile(r"holding (\d+)\n")
PATIENCE = 5.0  # seconds for an answer to somebody who asks alone
NOT_VALID = 4  # pace's exit status when it could not keep its schedule, which does not matter here
INTERRUPTED = 130


@dataclass
class Asked:
    """The command lines of what has asked, in order."""

    commands: list[str]


def hold(address: Address, plan: IdleSettings, step: IdleStep, look: Callable[[str], object]) -> Held:
    """Looks ("idle") while so many connections are open that were answered once and are idle since."""
    if step.connections == 0:
        return _hold_none(address, look)
    with Dialogue(hold_command(address, plan, step.connections)) as pace:
        served = announced(pace.hear(plan.duration))
        if served < step.connections:
            raise MeasurementError(f"only {served:,} of {step.connections:,} connections were answered")
        look("idle")
        # only now: the answer itself takes memory
        counted = asyncio.run(_count_idle(address, step.connections)) if step.contestant.ours else None
        finished = pace.end(signal.SIGINT, PATIENCE)
    _refuse_losses(finished, step.connections)
    return Held(finished.command, served, counted, finished.cpu_seconds)


def hold_command(address: Address, plan: IdleSettings, connections: int) -> list[str]:
    held = ["--rate", "0", "--hold", str(connections), "--sources", str(plan.sources), "-d", f"{plan.duration}s"]
    return _pace(plan, [f"{address.host}:{address.port}", *held, "--announce", "--json", "-"])


def commands(address: Address, plan: IdleSettings, step: Step) -> list[list[str]]:
    """What a step runs; of one that asks for more and more, the last."""
    if isinstance(step, DecayStep):
        return [_ask_command(address, plan, max(plan.decay.requests) * plan.decay.workers)[0]]
    return [hold_command(address, plan, step.connections)] if step.connections else []


def _pace(plan: IdleSettings, arguments: list[str]) -> list[str]:
    return pinned(plan.cpus.load[:1], [plan.pace, *arguments])  # it has one thread


def announced(line: str) -> int:
    """How many connections are open and were answered. Raises MeasurementError."""
    found = ANNOUNCEMENT.fullmatch(line)
    if not found:
        raise MeasurementError(f"quartet-pace announced no held connections, but {line!r}")
    return int(found[1])


def _hold_none(address: Address, look: Callable[[str], object]) -> Held:
    """After one answer, so that what the first one takes is not charged to the connections of the other levels."""
    asyncio.run(_ask_once(address))
    look("idle")
    return Held(command="", served=0, counted=None)


async def _ask_once(address: Address) -> None:
    client = Client(address)
    answer = await client.ask("/plaintext", PATIENCE)
    client.close()
    if answer.outcome != Outcome.ok:
        raise MeasurementError(f"a first request got no answer: {answer.outcome.value}")


async def _count_idle(address: Address, at_least: int) -> int:
    """By the server's own count: the second witness that all of them are there. One that was answered may still be on
    its way to being idle."""
    deadline = time.monotonic() + PATIENCE
    while True:
        counts = await fetch_counts(address, PATIENCE)
        if counts is None:
            raise MeasurementError(f"/stats was not answered beside {at_least:,} idle connections")
        if counts.idle >= at_least:
            return counts.idle
        if time.monotonic() > deadline:
            raise MeasurementError(f"the server counts {counts.idle:,} idle connections, not {at_least:,}")
        await asyncio.sleep(0.05)


def _refuse_losses(finished: Finished, connections: int) -> None:
    summary = _summary(finished)
    if problems := summary["problems"]:
        raise MeasurementError(f"quartet-pace: {'; '.join(problems)}")
    if finished.status not in (0, INTERRUPTED):
        raise ProcessError(f"{finished.command} exited with status {finished.status}: {finished.stderr.strip()}")
    if lost := summary["held"]["closed_by_server"]:
        raise MeasurementError(f"the server closed {lost:,} of {connections:,} idle connections")


def _summary(finished: Finished) -> Any:
    try:
        return json.loads(finished.stdout)
    except ValueError as error:
        raise MeasurementError(f"quartet-pace gave no summary, but {finished.stdout[-80:]!r}") from error


def wear(address: Address, plan: IdleSettings, step: DecayStep, look: Callable[[str], object]) -> Asked:
    """Looks at the server each time that all its workers have answered so many requests; the moment is their number."""
    commands, done = [], 0
    for requests in plan.decay.requests:
        if requests > done:
            commands.append(_ask(address, plan, (requests - done) * plan.decay.workers))
        done = requests
        look(str(requests))
    return Asked(commands)


def _ask(address: Address, plan: IdleSettings, requests: int) -> str:
    command, duration = _ask_command(address, plan, requests)
    finished = run(command, duration / 1000 + plan.duration + PATIENCE, good=(0, NOT_VALID))
    answered = _summary(finished)["lanes"][0]["outcomes"]["ok"]
    if answered != requests:
        raise MeasurementError(f"{answered:,} of {requests:,} requests for {plan.decay.path} were answered")
    return finished.command


def _ask_command(address: Address, plan: IdleSettings, requests: int) -> tuple[list[str], int]:
    """In turn over one connection for each worker; and how many milliseconds it takes."""
    duration = math.ceil(requests * 1000 / plan.decay.rate)  # milliseconds
    rate = math.floor(requests / duration * 1e6) / 1e3  # with a higher one, one request more would be due
    target = [f"{address.host}:{address.port}", plan.decay.path, "-c", str(plan.decay.workers)]
    load = ["--rate", f"{rate:.3f}", "-d", f"{duration}ms", "--grace", f"{plan.duration}s", "--json", "-"]
    return _pace(plan, [*target, *load]), duration
