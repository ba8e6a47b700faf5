"""The catalogue of faults (common/faults/faults.json), which the servers and their tests read, too: what each fault is,
how it is triggered, and what is expected of each model, with the reason."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from loadtest.system import ROOT

FILE = ROOT / "common" / "faults" / "faults.json"
ADDRESS = "address"  # the sanitizer that some faults are tried with, too
HANDLER, WORKER, CLIENT, ENVIRONMENT = KINDS = ("handler", "worker", "client", "environment")


@dataclass(frozen=True)
class Expectation:
    """Of several models: any of these verdicts, for that reason."""

    models: tuple[str, ...]
    verdicts: tuple[str, ...]
    because: str


@dataclass(frozen=True)
class Limits:
    """Of the server's resources, as setrlimit(2) sets them; None: as they are."""

    address_space_mib: int | None = None
    descriptors: int | None = None


@dataclass(frozen=True)
class Fault:
    """One way to trigger one entry of the catalogue: all that a run has to know of it."""

    name: str  # "lock-holder-dies?mutex=plain"
    id: str
    kind: str  # of KINDS
    title: str
    requests: tuple[str, ...] = ()  # what is posted, each by a faulty client of its own; of kind handler always
    load: str = "/fault/cached"  # what the others ask for meanwhile, beside their wait
    limits: Limits = Limits()
    expected: tuple[Expectation, ...] = ()  # none: with parameters of the user's choice
    expected_asan: tuple[Expectation, ...] = ()  # of a build with AddressSanitizer; none: it is not tried there
    inapplicable: tuple[Expectation, ...] = ()  # to these models, and why
    sanitizers: dict[str, str] = field(default_factory=dict, hash=False)  # why not under that one

    def expectations(self, sanitizer: str = "") -> tuple[Expectation, ...]:
        return self.expected_asan if sanitizer == ADDRESS else self.expected

    def expectation(self, model: str, sanitizer: str = "") -> Expectation | None:
        return next((one for one in self.expectations(sanitizer) if model in one.models), None)

    def verdicts(self, model: str, sanitizer: str = "") -> tuple[str, ...]:
        """Any of which is as it should be; none: nobody says."""
        found = self.expectation(model, sanitizer)
        return found.verdicts if found else ()

    def why_not(self, model: str) -> str:
        """It cannot happen to that one, in a sentence; else nothing."""
        return next((one.because for one in self.inapplicable if model in one.models), "")

    def applies_to(self, model: str) -> bool:
        return not self.why_not(model)


@dataclass(frozen=True)
class Entry:
    """One fault of the catalogue, with the ways to trigger it; the first is the usual one."""

    id: str
    kind: str
    title: str
    what: str
    cases: tuple[Fault, ...]


@cache
def entries() -> tuple[Entry, ...]:
    return read(FILE)


def read(path: Path) -> tuple[Entry, ...]:
    return tuple(map(_entry, json.loads(path.read_text(encoding="utf-8"))["faults"]))


def faults() -> list[Fault]:
    """All of them, in the catalogue's order."""
    return [case for entry in entries() for case in entry.cases]


def select(name: str) -> Fault:
    """Of the command line. Raises ValueError."""
    try:
        return find(name)
    except ValueError as error:
        raise ValueError(f"--fault {error}") from error


def find(name: str) -> Fault:
    """By its name, alone or with parameters: `spin`, `spin?ms=300`. With parameters that are not in the catalogue
    nothing is expected of it. Raises ValueError, with a sentence that begins with the name."""
    known = {case.name: case for case in faults()}
    identifier, _, query = name.partition("?")
    entry = next((one for one in entries() if one.id == identifier), None)
    if entry is None:
        near = difflib.get_close_matches(identifier, [one.id for one in entries()], 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{name}: there is no such fault{hint} (--list shows all)")
    if name in known or not query:
        return known.get(name, entry.cases[0])
    if entry.kind != HANDLER:
        raise ValueError(f"{name}: {identifier} takes no parameters")
    usual = entry.cases[0]
    return Fault(name, usual.id, usual.kind, usual.title, (_target(usual.id, query),), usual.load, usual.limits)


def _entry(found: dict[str, Any]) -> Entry:
    cases = tuple(_case(found, case) for case in found["cases"])
    return Entry(found["id"], found["kind"], found["title"], found["what"], cases)


def _case(entry: dict[str, Any], case: dict[str, Any]) -> Fault:
    query = case.get("query", "")
    if entry["kind"] == HANDLER:
        requests = [_target(entry["id"], one) for one in case.get("requests", [query])]
    else:
        requests = case.get("requests", [])  # of other faults, whole: "/fault/segv"
    return Fault(
        name=entry["id"] + (f"?{query}" if query else ""),
        id=entry["id"],
        kind=entry["kind"],
        title=entry["title"],
        requests=tuple(requests),
        load=case.get("load", Fault.load),
        limits=Limits(**case.get("limits", {})),
        expected=_expectations(case["expected"]),
        expected_asan=_expectations(case.get("expected_asan", [])),
        inapplicable=_expectations(case.get("not", [])),
        sanitizers=dict(case.get("sanitizers", {})),
    )


def _target(identifier: str, query: str) -> str:
    return f"/fault/{identifier}" + (f"?{query}" if query else "")


def _expectations(groups: Sequence[dict[str, Any]]) -> tuple[Expectation, ...]:
    return tuple(Expectation(tuple(one["models"]), tuple(one.get("verdicts", ())), one["because"]) for one in groups)
