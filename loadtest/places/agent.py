"""The harness's half in the load container: does the clients' side of one step, as told on stdin, in lines of JSON.

    < {"job": "loadtest.verbs.crash.clients:crash", "address": {...}, "settings": {...}, "step": {...}}
    > {"tell": "processes"}
    < {}                              when the server's processes have been looked at
    > {"observation": {...}}                 or {"error": "one sentence"}
"""

import dataclasses
import importlib
import json
import sys
import typing
from typing import Any

from loadtest.system import MeasurementError, processes
from loadtest.system.processes import Address, Dialogue, Job, Observation, Tell
from loadtest.system.records import from_json

PATIENCE = 30.0  # seconds beside the settings' own


def main() -> None:
    processes.prepare()
    asked = json.loads(sys.stdin.readline())
    module, _, name = asked["job"].partition(":")  # by its name, because places know no verb
    job = getattr(importlib.import_module(module), name)
    kinds = typing.get_type_hints(job)
    address, settings, step = (from_json(kinds[part], asked[part]) for part in ("address", "settings", "step"))

    def tell(moment: str) -> None:
        _say(tell=moment)
        sys.stdin.readline()

    try:
        _say(observation=job(address, settings, step, tell))
    except MeasurementError as error:
        _say(error=str(error))


def _say(**message: Any) -> None:
    print(json.dumps(message, default=dataclasses.asdict), flush=True)


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
