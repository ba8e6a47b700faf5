"""The verbs throughput, latency and aa."""

from __future__ import annotations

from dataclasses import replace

from loadtest.engine.exit import Exit
from loadtest.engine.verb import Verb
from loadtest.verbs.load import aa, commands, gates, report, validity, values
from loadtest.verbs.load.results import TrialResults


def status(found: TrialResults) -> Exit:
    """A failure says more than a missed gate, and that more than a cell without a number."""
    if found.failures:
        return Exit.failed
    if gates.breaches(found):
        return Exit.gate
    return Exit.invalid if validity.has_invalid_cell(found) else Exit.ok


THROUGHPUT, LATENCY = (
    Verb(
        name=name,
        results=TrialResults,
        execute=commands.execute,
        document=report.document,
        commands=commands.lines,
        values=values.of,
        status=status,
        executables=commands.executables,
    )
    for name in ("throughput", "latency")
)
AA = replace(THROUGHPUT, name="aa", document=aa.document, status=aa.status)
