"""What `crash --list` prints: the catalogue of faults, and one of them whole. Pure."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict

from loadtest.document.document import Document, Section, Table, words
from loadtest.verbs.crash.catalogue import ADDRESS, CLIENT, ENVIRONMENT, HANDLER, WORKER, Entry, Fault
from loadtest.verbs.crash.notation import INAPPLICABLE, either

KINDS = {
    HANDLER: "What can a request do to the server? (handler)",
    WORKER: "What can happen to a worker? (worker)",
    CLIENT: "What can a client do to the others? (client)",
    ENVIRONMENT: "What can the machine do to the server? (environment)",
}
HOW = (
    "--fault NAME tries one, --fault NAME --list tells all about it. A server with --enable-faults does what a handler "
    "can do when it is asked: curl -X POST 'http://HOST:PORT/fault/NAME'; GET /fault tells the same list."
)


def document(entries: Sequence[Entry], names: Collection[str] = ()) -> Document:
    """All in short, by kind; or all about those of these names: `spin`, `lock-holder-dies?mutex=plain`."""
    if not names:
        return Document([], [one for kind in KINDS if (one := _of_kind(kind, entries)).table], [HOW])
    return Document([], [section for entry in entries for section in _whole(entry, names)])


def _of_kind(kind: str, entries: Sequence[Entry]) -> Section:
    filled = words("", "what happens", "parameters")
    for entry in (one for one in entries if one.kind == kind):
        filled.add_row(entry.id, entry.title, "\n".join(_parameters(case) for case in entry.cases).strip("\n"))
    return Section(KINDS[kind], filled if filled.rows else None, [])


def _parameters(case: Fault) -> str:
    return case.name.removeprefix(case.id)


def _whole(entry: Entry, names: Collection[str]) -> Iterator[Section]:
    wanted = [case for case in entry.cases if entry.id in names or case.name in names]
    if wanted:
        yield Section(f"{entry.id}: {entry.title}", None, [entry.what])
        yield from (section for case in wanted for section in _case(case))


def _case(case: Fault) -> Iterator[Section]:
    yield Section(f"What is expected of {case.name}?", _expected(case), list(_notes(case)))
    if case.expected_asan:
        yield Section("And in servers with AddressSanitizer (--asan)?", _expected(case, ADDRESS), [])


def _expected(case: Fault, sanitizer: str = "") -> Table:
    filled = words("", "expected", "because")
    for one in case.expectations(sanitizer):
        filled.add_row("\n".join(one.models), either(one.verdicts), one.because)
    for one in case.inapplicable:
        filled.add_row("\n".join(one.models), INAPPLICABLE, one.because)
    return filled


def _notes(case: Fault) -> Iterator[str]:
    """How it is triggered, and where it cannot be."""
    if case.kind == HANDLER:
        again = " at the same moment, each by a client of its own" if len(case.requests) > 1 else ""
        yield f"Asked for: {', '.join(f'POST {target}' for target in case.requests)}{again}."
    yield f"Half of the other clients ask for {case.load}."
    limits = [
        *([f"{case.limits.address_space_mib} MiB of address space"] if case.limits.address_space_mib else []),
        *([f"{case.limits.descriptors} descriptors"] if case.limits.descriptors else []),
    ]
    if limits:
        yield f"The server is started with at most {' and '.join(limits)}."
    for sanitizer, why in case.sanitizers.items():
        yield f"Not under the {sanitizer} sanitizer: {why}"


def to_json(entries: Sequence[Entry]) -> str:
    return json.dumps({"faults": [asdict(entry) for entry in entries]}, indent=1) + "\n"
