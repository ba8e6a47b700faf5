"""What a crowd of clients met, as data."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.clients.client_side import Newcomers
from loadtest.engine.run import Result
from loadtest.verbs.crowd.plan import CrowdStep


@dataclass(kw_only=True)
class Crowd(Result):
    step: CrowdStep
    workers: int | None  # of a pool
    clients_served: int
    newcomers: Newcomers
