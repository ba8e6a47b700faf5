"""What a server says about its model: `quartet-X --describe`, which is the one place where a model's facts stand."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.system.errors import MeasurementError

PATIENCE = 10.0  # seconds for a description

Describe = Callable[[str], str]  # what that executable prints for --describe; raises MeasurementError


KEYS = ("name", "worker", "one_client_per_worker", "many_workers", "has_parent")  # of a mode, in the order of Facts


@dataclass(frozen=True)
class Facts:
    """Of one mode of a server."""

    mode: str  # "prefork"; "" where there is one mode
    worker: str  # process or thread
    one_client_per_worker: bool  # until it leaves; otherwise clients share a loop
    many_workers: bool  # --workers may be more than 1
    has_parent: bool  # a process that outlives its workers

    @property
    def pool(self) -> bool:
        """--workers bounds the clients that are served at a time."""
        return self.one_client_per_worker and self.many_workers

    @property
    def many_loops(self) -> bool:
        return self.many_workers and not self.one_client_per_worker


def read(executable: str, describe: Describe) -> tuple[Facts, ...]:
    """Of its modes, the default first. Raises MeasurementError."""
    printed = describe(executable)
    try:
        default, *others = json.loads(printed)["modes"]
        return tuple(Facts(*(mode[key] for key in KEYS)) for mode in (default, *others))
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise MeasurementError(f"{executable} --describe prints nothing that this harness knows: {reason}") from error


def of_mode(name: str, modes: Sequence[Facts]) -> Facts:
    """The default's where no mode is named, or one that there is not: to refuse that is the server's business."""
    return next((facts for facts in modes if facts.mode == name), modes[0])
