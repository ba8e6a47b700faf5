"""What a server of ours has counted itself: GET /stats, on a connection of its own."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from loadtest.system import MeasurementError, processes
from loadtest.system.processes import Address

HELD = ("reading", "running", "sleeping", "writing", "idle")  # states of a connection that a worker has taken up


@dataclass(frozen=True)
class Counts:
    """Of connections, now."""

    held: int  # by a worker, whatever it does for them; this one's own is among them
    sleeping: int  # a request waits in hand
    idle: int  # answered, and nothing asked since


def parse(body: bytes) -> Counts:
    """Raises MeasurementError when it is not what /stats should be."""
    try:
        gauges = json.loads(body)["totals"]["gauges"]
        return Counts(sum(gauges[name] for name in HELD), gauges["sleeping"], gauges["idle"])
    except (ValueError, KeyError, TypeError) as error:
        raise MeasurementError(f"/stats has no totals that this harness can read: {body[:80]!r}") from error


def get(address: Address, path: str, patience: float) -> bytes | None:
    """The body; None when it does not come in time, or with another status than 200."""
    status, body = processes.get(address, path, patience) or (0, b"")
    return body if status == 200 else None


def fetch(address: Address, patience: float) -> Counts | None:
    """None when /stats is not answered in time."""
    body = get(address, "/stats", patience)
    return None if body is None else parse(body)


def await_counts(address: Address, patience: float, hold: Callable[[Counts], bool], what: str) -> Counts:
    """As soon as the condition holds, and it may take so many seconds. Raises MeasurementError."""
    deadline = time.monotonic() + patience
    while found := fetch(address, patience):
        if hold(found):
            return found
        if time.monotonic() > deadline:
            raise MeasurementError(f"the server counts {found.idle:,} idle and {found.sleeping:,} sleeping: {what}")
        time.sleep(0.01)
    raise MeasurementError(f"/stats was not answered: {what}")
