"""What can befall a server, and in which faults of the catalogue it shows. Data."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Danger:
    name: str
    faults: Mapping[str, str] = field(default_factory=dict, hash=False)  # in plain words, by their ids


CRASH = Danger(
    "crash",
    {
        "segv": "a crash",
        "abort": "an abort",
        "exit": "an exit",
        "throw-uncaught": "an uncaught exception",
        "double-free": "a double free",
        "heap-overflow": "a heap overflow",
        "stack-overflow": "a stack overflow",
        "stack-jump": "a jump over the stack's guard page",
    },
)
HANG = Danger("hang", {"spin": "an endless loop", "block": "a handler that blocks"})
CROWD = Danger("crowd")  # more clients who stay than a pool has workers
FAULTS = (CRASH, HANG)
