"""Where and with what two runs were measured, side by side; and what must not be concluded from that. Pure."""

import shlex
from collections.abc import Iterator

from loadtest.document.document import Caveat, Section, words
from loadtest.document.figures import listed, mebibytes, plural
from loadtest.engine.report import describe_sets
from loadtest.engine.run import Environment, Part, Run
from loadtest.statistics import differences
from loadtest.system.cpus import CpuSets

MACHINE = ("cpu_model", "virtual", "cpus", "memory_bytes", "kernel", "system", "irq_time")
ASKED = ("duration", "workers", "clients", "wait")  # of settings, beside what the name of a load tells


def section(a: Run, b: Run, before: str, after: str) -> Section:
    """A row for each fact; the last column says where the two differ."""
    filled = words("", f"A: {before}", f"B: {after}", "")
    mine, its = dict(card(a)), dict(card(b))
    for what in mine | its:
        values = [one.get(what, "absent") for one in (mine, its)]
        filled.add_row(what, *values, "differs" if values[0] != values[1] else "")
    return Section("Where and with what were they measured?", filled, (), "machines")


def card(run: Run) -> list[tuple[str, str]]:
    where = run.environment
    return [
        ("CPU", where.cpu_model + (" (virtual)" if where.virtual else "")),
        ("CPUs", str(where.cpus)),
        ("who has which", "; ".join(dict.fromkeys(map(describe_sets, _sets(run))))),
        ("memory, MiB", mebibytes(where.memory_bytes)),
        ("kernel", where.kernel),
        ("system", where.system),
        ("interrupts outside of CPU time", where.irq_time or "unknown"),
        ("load average at the start", f"{where.load_average:.1f}"),
        ("where it ran", where.place or where.runner),
        ("commit", where.commit),
        *((f"version of {name}", version) for name, version in where.versions.items()),
        ("started", where.started),
        ("took, s", f"{run.seconds:.0f}"),
        ("ended as", run.state),
        ("command", where.command),
    ]


def _sets(run: Run) -> Iterator[CpuSets]:
    for part in run.parts:
        budgets: dict[int, CpuSets] = getattr(part.settings, "budgets", {})
        yield from budgets.values() if budgets else [part.settings.cpus]


def caveats(a: Run, b: Run) -> list[Caveat]:
    return [
        Caveat(
            "AT DIFFERENT TIMES",
            differences.AT_DIFFERENT_TIMES,
            "Do not take a small change for the work of the servers: a machine that has become slower looks the same.",
        ),
        *_other_machine(a.environment, b.environment),
        *_other_software(a.environment, b.environment),
        *_other_code(a.environment, b.environment),
        *_other_questions(a, b),
        *_quality("A", a),
        *_quality("B", b),
    ]


def _other_machine(a: Environment, b: Environment) -> Iterator[Caveat]:
    changed = [_name(name) for name in MACHINE if getattr(a, name) != getattr(b, name)]
    if changed:
        yield Caveat(
            "ANOTHER MACHINE",
            f"These are not the same in A and in B: {listed(changed)}.",
            "No change between A and B may be put down to the servers. Compare the order of the contestants inside A "
            "with that inside B.",
        )


def _name(field: str) -> str:
    return {"irq_time": "interrupt time", "memory_bytes": "memory"}.get(field, field.replace("_", " "))


def _other_software(a: Environment, b: Environment) -> Iterator[Caveat]:
    changed = [name for name in a.versions | b.versions if a.versions.get(name) != b.versions.get(name)]
    if changed:
        versions = [f"{name} {a.versions.get(name, 'absent')} and {b.versions.get(name, 'absent')}" for name in changed]
        yield Caveat(
            "OTHER SOFTWARE",
            f"Versions differ: {listed(versions)}.",
            "A change may be that of another program, and none of the servers measured.",
        )


def _other_code(a: Environment, b: Environment) -> Iterator[Caveat]:
    if a.commit != b.commit:
        yield Caveat(
            "OTHER CODE",
            f"A was measured at commit {a.commit}, B at {b.commit}.",
            "A change may come from any change between the two, of servers, build or harness; the figures do not say "
            "from which.",
        )
    if changed := [name for name, one in (("A", a), ("B", b)) if one.commit.endswith("+")]:
        yield Caveat(
            "UNCOMMITTED",
            f"The files of {listed(changed)} were not those of the commit.",
            "Nobody can build exactly that again: do not cite it by its commit.",
        )


def _other_questions(a: Run, b: Run) -> Iterator[Caveat]:
    pairs = [(one, other) for one, other in zip(a.parts, b.parts) if one.measurement == other.measurement]
    asked = list(dict.fromkeys(text for one, other in pairs for text in _asked_otherwise(one, other)))
    if asked:
        yield Caveat(
            "ASKED OTHERWISE",
            f"A and B were not asked for the same: {'; '.join(asked)}.",
            "A change may come from the question.",
        )


def _asked_otherwise(one: Part, other: Part) -> Iterator[str]:
    for name in ASKED:
        values = [getattr(part.settings, name, None) for part in (one, other)]
        if values[0] != values[1]:
            yield f"{_name(name)} {values[0]} and {values[1]}"
    arguments = [{who.name: who.arguments for who in part.settings.contestants} for part in (one, other)]
    for name in (name for name in arguments[0] if name in arguments[1] and arguments[0][name] != arguments[1][name]):
        yield f"{name} has other options"


def _quality(side: str, run: Run) -> Iterator[Caveat]:
    """What is wrong with one of the two."""
    watched = [one for one in run.results if one.disturbance]
    disturbed, invalid = sum(one.disturbed for one in watched), sum(bool(one.problems) for one in run.results)
    if run.state != "complete":
        yield Caveat(
            run.state.upper(),
            f"{side} is {run.state}.",
            f"Of what {side} lacks nothing can be told; what is missing there did not become slower.",
        )
    if run.failures:
        names = list(dict.fromkeys(one.contestant for one in run.failures))
        yield Caveat("FAILED", f"Steps of {listed(names)} failed in {side}.", "They have no figures there.")
    if disturbed:
        yield Caveat(
            "DISTURBED",
            f"Other load disturbed {disturbed} of {plural(len(watched), 'load')} of {side}.",
            "What became worse may have been disturbed; repeat it on a quiet machine.",
        )
    if invalid:
        yield Caveat(
            "INVALID",
            f"{invalid} of {plural(len(run.results), 'result')} of {side} are invalid, and enter no figure.",
            "Who has fewer rounds is told by fewer, and less surely.",
        )


def commands(a: Run, b: Run, before: str, after: str) -> list[tuple[str, str]]:
    return [
        ("made A", a.environment.command),
        ("made B", b.environment.command),
        ("compares them again", shlex.join(["loadtest/quartet", "compare", before, after])),
    ]
