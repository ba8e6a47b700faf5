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
from typing import Any

from loadtest.places.place import Job, Observation, Tell
from loadtest.system import processes
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address, Dialogue
from loadtest.system.records import from_json

PATIENCE = 30.0  # seconds beside the settings' own


def main() -> None:
    processes.prepare_limits()
    try:
        _say(observation=_do(json.loads(sys.stdin.readline())))
    except MeasurementError as error:
        _say(error=str(error))


def _do(asked: dict[str, Any]) -> Any:
    """The job is known by its name, because places know no verb."""
    module, _, function = asked["job"].partition(":")
    job = getattr(importlib.import_module(module), function)
    kinds = typing.get_type_hints(job)
    return job(*(from_json(kinds[name], asked[name]) for name in ("address", "settings", "step")), _tell)


def _tell(moment: str) -> None:
    _say(tell=moment)
    sys.stdin.readline()


def _say(**message: Any) -> None:
    print(json.dumps(message, default=dataclasses.asdict), flush=True)


# --- the harness's side


def ask(talk: Dialogue, job: Job[Observation], address: Address, settings: Any, step: Any, tell: Tell) -> Observation:
    """What the job returns, done by the agent that we talk with. Raises MeasurementError."""
    asked = {"job": f"{job.__module__}:{job.__name__}", "address": address, "settings": settings, "step": step}
    talk.say(json.dumps(asked, default=dataclasses.asdict))
    while "tell" in (message := json.loads(talk.hear(settings.duration + PATIENCE))):
        tell(message["tell"])
        talk.say("{}")
    if "error" in message:
        raise MeasurementError(message["error"])
    observation: Observation = from_json(typing.get_type_hints(job)["return"], message["observation"])
    return observation


if __name__ == "__main__":
    main()
