"""More keep-alive clients than a pool has workers: what is asked for, and the clients' side, by quartet-pace. It runs
where the server can be reached and knows nothing of it but the address."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

from loadtest.clients import pace
from loadtest.clients.client_side import Newcomers
from loadtest.clients.pace import EXECUTABLE, Schedule
from loadtest.engine.run import BaseSettings
from loadtest.system.cpus import CpuSets
from loadtest.system.processes import Address, Dialogue, Tell

TO_SPARE = 10.0  # seconds that the crowd could stay longer than it is watched


@dataclass(frozen=True)
class CrowdSettings(BaseSettings):
    cpus: CpuSets
    clients: int = 64
    workers: int = 18  # of a pool
    seconds: float = 1.0
    delay: int = 20  # milliseconds that an answer takes
    rotation: int = 5  # requests per connection, when the pools are tried once more
    newcomers: Schedule = Schedule()
    runner: str = "local"
    pace: str = EXECUTABLE  # where it is

    @property
    def path(self) -> str:
        return f"/sleep?ms={self.delay}"

    @property
    def rate(self) -> float:
        """Requests a second: twice what all clients together can be answered, so that each always has the next one."""
        return 2 * self.clients * 1000 / self.delay

    @property
    def duration(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class CrowdStep:
    contestant: str
    rotation: int | None  # requests per connection; None: the server's default
    round: int = 1

    @property
    def name(self) -> str:
        return f"{self.contestant}{' +rotation' if self.rotation else ''}"

    @property
    def what(self) -> str:
        return f"a crowd of clients{' with rotation' if self.rotation else ''}"


def steps(settings: CrowdSettings) -> Iterator[CrowdStep]:
    yield from (CrowdStep(one.name, None) for one in settings.contestants)
    yield from (CrowdStep(one.name, settings.rotation) for one in settings.contestants if one.known.pool)


@dataclass
class Served:
    clients: int  # that got an answer at all
    newcomers: Newcomers
    problems: list[str]  # of quartet-pace itself


def crowd(address: Address, settings: CrowdSettings, step: CrowdStep, tell: Tell) -> Served:
    """Newcomers come when the crowd is there, and leave before it: the workers that it sets free are not for them.
    Raises MeasurementError."""
    with Dialogue([*command(address, settings), "--announce"]) as talk:
        talk.hear(pace.PATIENCE)
        cpu_set, seconds = settings.cpus.load, settings.seconds
        with pace.beside(settings.pace, address, cpu_set, settings.newcomers, seconds) as company:
            time.sleep(seconds)
        found = pace.summary(talk.end(signal.SIGINT, pace.PATIENCE))
    return Served(found["lanes"][0]["connections_answered"], company.newcomers, found["problems"])


def command(address: Address, settings: CrowdSettings) -> list[str]:
    """Each client waits for as long as the crowd lasts. Whether a request leaves on time does not matter: the next one
    is always due."""
    stay = pace.milliseconds(settings.seconds + TO_SPARE)
    size = ["-c", str(settings.clients), "--rate", f"{settings.rate:g}", "-d", stay]
    patience = ["--timeout", "0ms", "--grace", "0ms", "--tolerance", stay]
    return pace.command(settings.pace, address, settings.cpus.load, settings.path, *size, *patience)
