"""A server that is measured, and the clients' side of a step: done here, or by an agent in the load container, which is
told about it on stdin, in lines of JSON.

    < {"job": "loadtest.verbs.tour.clients:crash", "address": {...}, "settings": {...}, "step": {...}}
    > {"tell": "processes"}
    < {}                              when the server's processes have been looked at
    > {"observation": {...}}                 or {"error": "one sentence"}
"""

import dataclasses
import importlib
import json
import sys
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from loadtest.system import MeasurementError, memory, processes, tree
from loadtest.system.memory import Memory
from loadtest.system.processes import Address, Dialogue
from loadtest.system.records import from_json

# Tells whoever sees the server's processes that a moment has come; returns when they have been looked at.
Tell = Callable[[str], object]

# The clients' side of a step, from the measurement's settings and the step.
Observation = TypeVar("Observation")
Job = Callable[[Address, Any, Any, Tell], Observation]

PATIENCE = 30.0  # seconds beside the settings' own


class Server(processes.Server):
    """A running server whose processes can be looked at: the child, and all that it has started."""

    def ask(self, job: Job[Observation], settings: Any, step: Any, tell: Tell) -> Observation:
        """Does the clients' side of a step where the server can be reached. Raises MeasurementError."""
        return job(self.address, settings, step, tell)

    def cpu_seconds(self) -> float:
        """Of all its processes until now, dead ones included."""
        return tree.cpu_seconds(self.pid)

    def switches(self) -> tree.Switches | None:
        """Of its live processes until now; None where nobody counts those of the dead."""
        return tree.switches(self.pid)

    def memory(self) -> Memory:
        return memory.read(self.processes())

    def processes(self) -> set[tuple[int, int]]:
        """What identifies each of its live processes."""
        return {stat.identity for stat in tree.members(self.pid)}

    def incidents(self) -> list[str]:
        """What befell it that its exit status may not tell, a sentence each."""
        return []


def main() -> None:
    """The agent's."""
    processes.prepare_limits()
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
