"""The verb walk."""

from __future__ import annotations

from loadtest.engine.measurement import Measurement
from loadtest.engine.verb import Verb
from loadtest.verbs.walk import measure, plan, report
from loadtest.verbs.walk.results import WalkResult

WALKS = Measurement(
    name="walk",
    settings=plan.WalkSettings,
    result=WalkResult,
    steps=plan.steps,
    seconds=plan.seconds,
    measure=measure.measure,
    server=measure.server,
    load=measure.load,
)
WALK = Verb("walk", (WALKS,), report.sections)
