"""The clients' side of a crowd, by quartet-pace. It runs where the server can be reached and knows nothing of it but
the address."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from loadtest.clients import pace
from loadtest.clients.client_side import Newcomers
from loadtest.places.place import Tell
from loadtest.system.processes import Address, Dialogue
from loadtest.verbs.crowd.plan import CrowdSettings, CrowdStep

TO_SPARE = 10.0  # seconds that the crowd could stay longer than it is watched


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
        with pace.beside(settings.pace, address, settings.cpus.load, settings.newcomers) as company:
            time.sleep(settings.seconds)
        found = pace.summary(talk.end(signal.SIGINT, pace.PATIENCE))
    return Served(found["lanes"][0]["connections_answered"], company.newcomers, found["problems"])


def command(address: Address, settings: CrowdSettings) -> list[str]:
    """Each client waits for as long as the crowd lasts. Whether a request leaves on time does not matter: the next one
    is always due."""
    stay = pace.milliseconds(settings.seconds + TO_SPARE)
    size = ["-c", str(settings.clients), "--rate", f"{settings.rate:g}", "-d", stay]
    patience = ["--timeout", "0ms", "--grace", "0ms", "--tolerance", stay]
    return pace.command(settings.pace, address, settings.cpus.load, settings.path, *size, *patience)
