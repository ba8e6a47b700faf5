"""The measurement `crash`, as the engine and other verbs take it."""

from __future__ import annotations

from loadtest.clients.pace import EXECUTABLE
from loadtest.engine.measurement import Measurement
from loadtest.verbs.crash import measure, plan
from loadtest.verbs.crash.report import section
from loadtest.verbs.crash.results import Crash

__all__ = ["CRASH", "section"]

CRASH = Measurement(
    name="crash",
    settings=plan.CrashSettings,
    result=Crash,
    steps=plan.steps,
    seconds=plan.seconds,
    measure=measure.measure,
    server=measure.server,
    load=measure.load,
    programs=(EXECUTABLE,),
    key=plan.key,
)
