"""How verdicts, outages and counts are written in tables, and what is said of them below. Pure."""

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from loadtest.clients import pace
from loadtest.document.anchors import slugs
from loadtest.document.document import Caveat
from loadtest.document.figures import DASH, listed, plural, share
from loadtest.system.processes import describe_status
from loadtest.verbs.crash.catalogue import HANDLER, Expectation, Fault
from loadtest.verbs.crash.ledger import LEAST_LATE, OFFERED, TIMES_P99
from loadtest.verbs.crash.plan import SLOT, CrashSettings, Try
from loadtest.verbs.crash.results import DOCKER, NONE, PARENT, Others, Processes, Stored

# Where a page shows it.
MAIN, SURPRISES, SCRIPT = "crash", "crash-surprises", "script"
MATRIX, MATRIX_ASAN, ALIKE = "crash-matrix", "crash-matrix-asan", "crash-alike"

LINE = 12  # characters of a cell of the matrix, so that seven models stand side by side in 120 columns
WIDE = 16  # of a verdict, where there is more room
NAME = 20  # and of the name of a row
INAPPLICABLE = "n/a"
FOR_EVER = "to the end"
SYMPTOMS = {"EOF before response": "EOF", "never answered": "unanswered"}  # shorter than pace.OUTCOMES

RADIUS = (
    "First word, the radius: the smallest scope that holds everyone who was harmed. nobody: the faulty request, if "
    "there was one, was answered well, too. request: it got an error status, and its connection goes on. connection: "
    "its connection was cut, or it waits for ever. worker: others were harmed, all of them on its worker (a process, "
    "thread or loop). server: others on other workers, too, or newcomers."
)
HARM = (
    "Second word, the harm: the worst that happened to somebody else; no second word: nobody else was harmed. "
    f"delayed: answered, but later than {LEAST_LATE * 1000:.0f} ms and than {TIMES_P99} times the p99 before. lost: "
    "cut off, refused, timed out, or answered with an error status. wrong: answered with other bytes. starved: never "
    "answered."
)
ACCOUNT = ("lost\nin hand", "others\nharmed", "how", "newcomers\nharmed", "clients\nkept", "processes\nkept")
ACCOUNT_IS = (
    "Lost in hand: of the others' requests that were sent before the fault and not ended by then, those that got "
    "no good answer. Others harmed: of these and all that were due later. Newcomers: those after the fault. "
    "Clients kept: of the connections in use before it, answered on something that was sent after it. Processes: "
    "without those that live for one request; +1 is a new one."
)
STORED = ("sessions\nkept", "counters\nkept")
STORED_IS = (
    "Sessions kept: of the clients that had stored one in the server's memory before the load, those who found it at "
    "its end. Counters: of those who had added to the process's counter, those for whom it had not gone back. A dash: "
    "they never had any, because such memory ends with each request."
)
LETTERS = (
    f"Each letter: what happened to the others' requests that were due in these {SLOT * 1000:.0f} ms. .: all were "
    "answered in time. d, l, w, s: some were delayed, lost, answered wrongly, starved; the worst of it. D, L, W, S: "
    "half of them or more were harmed. Blank: none was due."
)

EXPLAINED = {  # what a name does not tell
    "coroutines-2": "coroutines with two loops, which are two threads of one process.",
    "multiprocess": "two processes with a loop each, and a parent that replaces them. They accept from one listener, "
    "and whoever wakes first has the client: one may have all kept clients, and the other all newcomers and sessions.",
    "helpers": "one loop has all clients, and lends those whose requests may block to four threads of its process.",
    "fibers": "each client has a stack of its own, of 256 KiB; one thread runs on one of them until it has to wait, "
    "and then on another.",
    "fibers-2": "fibers with two kernel threads of one process: whichever is free goes on with whoever is ready.",
}
ASAN = (
    "+asan: built with AddressSanitizer, which checks every access to memory, and ends the process at the first wrong "
    "one. It cannot see a write that is in its place and wrong in its content. It is slower, and asked a quarter as "
    "often."
)
KEPT = {
    PARENT: "+parent: with --supervise, a parent process that starts the server again when it dies.",
    DOCKER: "+restart: in a container that Docker starts again when the server has failed (--restart on-failure). "
    "Docker waits 100 ms before it does, and then makes a container's processes anew.",
}


def section_of(settings: CrashSettings, fault: Fault) -> str:
    """Where a page shows what that fault did over time."""
    return f"{MAIN}-{slugs(one.name for one in settings.faults)[fault.name]}"


def how(settings: CrashSettings) -> str:
    tries = "once" if settings.repeats == 1 else f"{settings.repeats} times"
    asked = all(fault.kind == HANDLER for fault in settings.faults)
    more = f", and {settings.sessions} more have stored a session each" if settings.sessions else ""
    return (
        f"{settings.clients} clients keep their connections and ask {settings.rate} times a second, half of them for "
        f"/sleep?ms={settings.wait}, half for what the fault could spoil; somebody new connects every "
        f"{settings.newcomers * 1000:g} ms{more}. "
        f"At {settings.fault_at:g} s "
        f"{'somebody else asks for the fault' if asked else 'the fault comes'}. Watched until "
        f"{settings.duration:g} s. Each {tries}, in a server of its own."
    )


def short(verdict: str) -> str:
    """Without its harm where there was none."""
    return verdict.removesuffix(f" {NONE}")


def either(verdicts: Sequence[str]) -> str:
    return " or ".join(map(short, verdicts))


def each(verdicts: Sequence[str]) -> list[str]:
    """The most frequent first; with how many they are, where they differ."""
    seen = Counter(verdicts)
    many = len(seen) > 1
    return [short(one) + (f" {share(count, len(verdicts))}" if many else "") for one, count in seen.most_common()]


def unlike(what: str, seen: str, expected: Expectation | None) -> str:
    """That something else was seen than the catalogue expects, and why it does; a sentence or two."""
    assert expected
    return f"{what}: it was {seen}; expected is {either(expected.verdicts)}. {expected.because}"


def unexpected(strange: Sequence[str]) -> Caveat:
    return Caveat(
        "NOT AS EXPECTED",
        f"{plural(len(strange), 'verdict')} of faults not as the catalogue expects: {listed(strange)}.",
        "Do not believe either, until it is known why: a server has changed, or the catalogue is wrong, or chance "
        "decides.",
    )


def legend(outage: str, surprising: bool, invalid: bool, tried: Sequence[Try]) -> Iterator[str]:
    """Below verdicts side by side; what the outage is, where there is one."""
    if outage:
        yield (
            f"Below it, the outage: seconds from the fault until {OFFERED:.0%} of all requests were answered in time "
            f"again{outage}."
        )
    if surprising:
        yield "!=: not what common/faults/faults.json expects, which stands behind it; the reasons stand below."
    if invalid:
        yield f"{DASH}: there was no valid try."
    yield from steps_legend(tried)


def seconds(outage: float) -> str:
    """Nothing of what would be 0.00."""
    if math.isinf(outage):
        return FOR_EVER
    return f"{outage:.2f} s" if outage >= 0.005 else ""


def ended(status: int | None) -> str:
    if status is None:
        return "lives"
    return describe_status(status).removeprefix("was killed by ").removeprefix("exited with ")


def narrow(line: str, width: int = LINE) -> str:
    return "\n".join(textwrap.wrap(line, width, break_long_words=False))


def row_name(name: str) -> str:
    """Parameters below it where they are too long to stand beside it."""
    return name if len(name) <= NAME else name.replace("?", "\n  ?").replace("&", "\n  &")


def fate(faulty: Sequence[str]) -> str:
    """Of the faulty requests."""
    return "\n".join(counted(SYMPTOMS.get(what, what) for what in faulty)) or DASH


def counted(several: Iterable[str]) -> list[str]:
    return [f"{count} x {what}" if count > 1 else what for what, count in Counter(several).items()]


def account(others: Others, processes: Processes) -> list[str]:
    """A cell for each of ACCOUNT."""
    by_symptom = sorted(others.harmed.items(), key=lambda item: -item[1])
    return [
        share(others.in_hand_lost, others.in_hand),
        share(sum(others.harmed.values()), others.asked),
        "\n".join(f"{count} {SYMPTOMS.get(symptom, symptom)}" for symptom, count in by_symptom),
        share(others.newcomers_harmed, others.newcomers),
        share(others.connections_kept, others.connections),
        share(processes.kept, processes.before) + (f" +{processes.new}" if processes.new else ""),
    ]


def stored(found: Stored | None) -> list[str]:
    """A cell for each of STORED."""
    every = (found.sessions, found.counters) if found else ({}, {})
    return [share(one.get(pace.KEPT, 0), sum(one.values()) - one.get(pace.NEVER_HAD, 0)) for one in every]


def steps_legend(tried: Sequence[Try]) -> Iterator[str]:
    there = {step.contestant for step in tried}
    yield from (f"{name}: {what}" for name, what in EXPLAINED.items() if name in there)
    if any(step.sanitizer for step in tried):
        yield ASAN
    for keeper in sorted({step.keeper for step in tried if step.keeper}):
        yield KEPT[keeper]


def absent(settings: CrashSettings, tried: Sequence[Fault]) -> Iterator[str]:
    """To whom a fault cannot happen."""
    asked = {one.name for one in settings.contestants}
    reasons: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for fault in tried:
        for group in fault.inapplicable:
            models = tuple(model for model in group.models if model in asked)
            if models:
                reasons.setdefault((group.because, models), []).append(fault.name)
    for (because, models), faults in reasons.items():
        yield f"{INAPPLICABLE}: {listed(faults)} with {listed(models)}. {because}"
