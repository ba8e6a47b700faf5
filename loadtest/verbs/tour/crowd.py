"""More keep-alive clients than a pool has workers: how many of them are answered at all?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from loadtest.clients.client import Client
from loadtest.clients.outcomes import Newcomers, Outcome
from loadtest.clients.probe import NewcomerProbe, Schedule
from loadtest.system.processes import Address
from loadtest.verbs.tour import plan


@dataclass(frozen=True)
class Served:
    clients: int
    newcomers: Newcomers


async def gather(address: Address, settings: plan.Crowd, newcomers: Schedule) -> Served:
    """Every client asks again as soon as it is answered, and waits for as long as the crowd lasts."""
    ended = asyncio.Event()
    probe = NewcomerProbe(address, newcomers)
    crowd = [asyncio.create_task(_client(address, settings, ended)) for _ in range(settings.clients)]
    watching = asyncio.create_task(probe.watch(ended))
    await asyncio.sleep(settings.seconds)
    ended.set()
    answers = await asyncio.gather(*crowd)
    await watching
    return Served(sum(count > 0 for count in answers), probe.newcomers)


async def _client(address: Address, settings: plan.Crowd, ended: asyncio.Event) -> int:
    """Returns how many answers it got before the end."""
    client, answers = Client(address), 0
    clock = asyncio.get_running_loop().time
    deadline = clock() + settings.seconds
    while not ended.is_set() and clock() < deadline:
        answer = await client.ask(settings.path, deadline - clock())
        answers += answer.outcome == Outcome.ok
        await asyncio.sleep(0)  # a refusal comes without waiting: let the others have a turn
    client.close()
    return answers
