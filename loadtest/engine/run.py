"""What the results of every verb have in common, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass
class Failure:
    """A step that gave no result."""

    contestant: str
    step: str
    reason: str


@dataclass
class Environment:
    started: str
    cpu_model: str
    cpus: int
    virtual: bool
    memory_bytes: int
    kernel: str
    system: str
    load_average: float
    commit: str
    versions: dict[str, str]
    command: str
    runner: str = "local"
    place: str = ""  # half a sentence on where it ran, other than as it is on this machine


class Results(Protocol):
    """Of any verb."""

    verb: str
    environment: Environment
    settings: Any
    failures: list[Failure]
    state: str  # running; then complete, interrupted or failed
    seconds: float


def closing(results: Results) -> list[str]:
    """What failed, how it ended, and how long it took."""
    lines = [f"FAILED {one.contestant} ({one.step}): {one.reason}" for one in results.failures]
    if results.state == "interrupted":
        lines.append("INTERRUPTED: the tables hold what was measured until then; --resume goes on.")
    return [*lines, f"Measured in {results.seconds:.0f} s."]
