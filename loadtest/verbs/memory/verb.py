"""The verb memory, and the memory of the main job."""

from __future__ import annotations

from loadtest.engine.measurement import Measurement
from loadtest.engine.run import Part
from loadtest.engine.verb import Verb
from loadtest.verbs.memory import clients, measure, plan, plateaus, report, results

PROGRAMS = ("quartet-pace",)

IDLE = Measurement(
    name="idle",
    settings=plan.IdleSettings,
    result=results.IdleResult,
    steps=plan.idle_steps,
    seconds=plan.idle_seconds,
    measure=measure.idle,
    server=measure.idle_server,
    load=clients.hold_commands,
    programs=PROGRAMS,
    key=plan.idle_cell,
    values=measure.idle_values,
    labels=measure.idle_labels,
)
SHARING = Measurement(
    name="sharing",
    settings=plan.SharingSettings,
    result=results.SharingResult,
    steps=plan.sharing_steps,
    seconds=plan.sharing_seconds,
    measure=measure.sharing,
    server=measure.sharing_server,
    load=clients.wear_commands,
    programs=PROGRAMS,
)
PLATEAUS = Measurement(
    name="plateaus",
    settings=plan.PlateauSettings,
    result=results.PlateauResult,
    steps=plan.plateau_steps,
    seconds=plan.plateau_seconds,
    measure=plateaus.measure,
    server=plateaus.server,
    load=clients.plateau_commands,
    programs=PROGRAMS,
)
MEMORY = Verb("memory", (IDLE, SHARING), report.sections, report.head)


def parts(idle: plan.IdleSettings) -> list[Part]:
    """Of the verb: the same contestants in both."""
    sharing = plan.SharingSettings(idle.contestants, idle.cpus, idle.duration, idle.pace, idle.runner)
    return [Part(IDLE.name, idle), Part(SHARING.name, sharing)]
