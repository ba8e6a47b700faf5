"""The measurement `crowd`, as the engine and other verbs take it."""

from __future__ import annotations

from loadtest.clients.pace import EXECUTABLE
from loadtest.engine.measurement import Measurement
from loadtest.verbs.crowd import measure, plan
from loadtest.verbs.crowd.report import section
from loadtest.verbs.crowd.results import Crowd

__all__ = ["CROWD", "section"]

CROWD = Measurement(
    name="crowd",
    settings=plan.CrowdSettings,
    result=Crowd,
    steps=plan.steps,
    seconds=plan.seconds,
    measure=measure.measure,
    server=measure.server,
    load=measure.load,
    programs=(EXECUTABLE,),
)
