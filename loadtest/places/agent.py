"""The harness's half in the load container: does the clients' side of one step, as told on stdin, in lines of JSON.

    < {"job": "loadtest.verbs.tour.clients:crash", "address": {...}, "settings": {...}, "step": {...}}
    > {"tell": "processes"}
    < {}                              when the server's processes have been looked at
    > {"observation": {...}}                 or {"error": "one sentence"}
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
import typing
from collections.abc import Callable
from typing import Any

from loadtest.places.place import AnySettings, AnyStep, Job, Observation
from loadtest.system import processes
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address
from loadtest.system.records import from_json


def main() -> None:
    processes.prepare_limits()
    try:
        _say(observation=do(json.loads(sys.stdin.readline())))
    except MeasurementError as error:
        _say(error=str(error))


def request(job: Job[Any, Any, Any], address: Address, settings: Any, step: Any) -> str:
    """The line that asks for it."""
    parts = {"address": address, "settings": settings, "step": step}
    return json.dumps(
        {"job": f"{job.__module__}:{job.__name__}", **{name: dataclasses.asdict(part) for name, part in parts.items()}}
    )


def do(asked: dict[str, Any]) -> Any:
    job = _named(asked["job"])
    hints = typing.get_type_hints(job)
    found = job(
        from_json(Address, asked["address"]),
        from_json(hints["settings"], asked["settings"]),
        from_json(hints["step"], asked["step"]),
        _tell,
    )
    return None if found is None else dataclasses.asdict(found)


def _named(name: str) -> Callable[..., Any]:
    """A verb's half that runs here. By its name, because places know no verb."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]


def result(job: Job[AnySettings, AnyStep, Observation], found: Any) -> Observation:
    """What the job would have returned here."""
    observation: Observation = from_json(typing.get_type_hints(job)["return"], found)
    return observation


def _tell(moment: str) -> None:
    _say(tell=moment)
    sys.stdin.readline()


def _say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
