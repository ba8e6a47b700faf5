"""The walks of one request, as data."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.engine.run import Result
from loadtest.verbs.walk.plan import WalkStep
from loadtest.verbs.walk.sequence import Walk


@dataclass(kw_only=True)
class WalkResult(Result):
    step: WalkStep
    walks: list[Walk]  # of each kind of connection
