"""The verbs throughput, latency and aa: one measurement, the trial, asked and shown in three ways."""

from dataclasses import replace

from loadtest.engine import measurement
from loadtest.engine.measurement import Measurement, Verb
from loadtest.engine.run import Exit, Run
from loadtest.verbs.load import aa, measure, plan, report, results


def status(run: Run) -> Exit:
    """A failure says more than a missed gate, and that more than a cell without a number."""
    found = measurement.status(run)
    return Exit.gate if found != Exit.failed and report.missed_gates(results.everybody(run.parts[0])) else found


LOAD = Measurement(
    name="load",
    settings=plan.Settings,
    result=results.Trial,
    steps=plan.steps,
    seconds=plan.seconds,
    measure=measure.measure,
    server=measure.server,
    load=measure.load,
    programs=("quartet-pace",),  # newcomers', too
    values=results.values,
    labels=plan.labels,
)
THROUGHPUT = Verb("throughput", (LOAD,), report.sections, report.head, status)
LATENCY = replace(THROUGHPUT, name="latency")
AA = Verb("aa", (LOAD,), aa.sections, aa.head, aa.status)
