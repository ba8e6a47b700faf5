"""Takes the walk of one request in a server of its own."""

from __future__ import annotations

import shlex

from loadtest.engine.measurement import Bench, stop_well
from loadtest.places.launch import ServerPlan
from loadtest.system.processes import Address
from loadtest.verbs.walk import strace, walk
from loadtest.verbs.walk.plan import WalkSettings, WalkStep
from loadtest.verbs.walk.results import WalkResult

WORKERS = 4  # of the pools: some that wait belong to the picture, and strace has to follow each


def server(settings: WalkSettings, step: WalkStep) -> ServerPlan:
    return ServerPlan(settings.contestant(step.contestant), settings.cpus, WORKERS, WORKERS)


def load(address: Address, settings: WalkSettings, step: WalkStep) -> list[list[str]]:
    """strace's command; the requests are made by the harness."""
    return [shlex.split(strace.example())]


def measure(bench: Bench, step: WalkStep) -> WalkResult:
    with bench.start(server(bench.settings, step)) as running:
        walks = walk.take(step.contestant, running.pid, running.address, bench.settings.path)
        stop_well(running)
    return WalkResult(step=step, server_command=running.command, walks=walks)
