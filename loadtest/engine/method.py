"""How a run was measured, what it cannot tell, and the commands to do it again. Pure."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from loadtest.contestants.contestants import Kind
from loadtest.engine.measurement import MEASUREMENTS
from loadtest.engine.run import Part, Run
from loadtest.page import contents
from loadtest.places.launch import EXAMPLE
from loadtest.statistics.differences import LEAST_ROUNDS


@dataclass(frozen=True)
class Paragraph:
    holds: Callable[[Run], bool]  # of such a run alone it is told
    text: str


def measures(*names: str) -> Callable[[Run], bool]:
    return lambda run: any(part.measurement in names for part in run.parts)


def settings(found: Callable[[Any], Any], *names: str) -> Callable[[Run], bool]:
    """Of some part of these measurements."""
    return lambda run: any(part.measurement in names and found(part.settings) for part in run.parts)


def contestant(found: Callable[[Any], Any]) -> Callable[[Run], bool]:
    return lambda run: any(found(one) for part in run.parts for one in part.settings.contestants)


LOADED = measures("load", "sweep")

HOW = (
    Paragraph(
        lambda run: True,
        "Every step has a server of its own, which is started, asked and ended. A step is one measurement of one "
        "server in one round.",
    ),
    Paragraph(
        lambda run: not any(one.shared for one in run.cpu_sets),
        "The server and its clients have different CPUs, so that neither takes the other's time.",
    ),
    Paragraph(
        settings(lambda one: one.rounds > 1, "load", "sweep", "idle", "schedulers"),
        "Rounds are interleaved: in each round every server has its turn, in a random order. What disturbs a round so "
        "harms all servers in it.",
    ),
    Paragraph(
        settings(lambda one: one.rounds > 1, "load", "schedulers"),
        "A ratio is taken round by round, and shown with its interval at 95 % (signed ranks). An interval takes "
        f"{LEAST_ROUNDS} rounds; a table of many comparisons takes more (Holm's correction). Who cannot be told apart "
        "is tied.",
    ),
    Paragraph(
        settings(lambda one: one.closed, "load"),
        "Full load is a closed loop: each connection asks again as soon as it is answered. A figure is a lower bound "
        "(>=) unless the server used its whole CPU while the client did not, and nobody else was on the server's CPU.",
    ),
    Paragraph(
        settings(lambda one: bool(one.rates), "load"),
        "At a constant rate quartet-pace asks at times that are fixed beforehand, the same for every server of a "
        "round. A latency counts from when its request was due, so that a stall is charged to the server.",
    ),
    Paragraph(
        measures("sweep"),
        "The highest rate is searched in every round anew: a probe asks at one rate, and the objective is met or not. "
        "Every request of a probe must be answered well.",
    ),
    Paragraph(
        measures("load"),
        "CPU time is user and system time of the whole process tree, dead children included, read amid the load and "
        "divided by the answers in that time.",
    ),
    Paragraph(
        measures("load"),
        "Beside each load a newcomer opens a fresh connection every 100 ms. A load generator counts answers only, and "
        "does not see who is never served.",
    ),
    Paragraph(
        measures("crowd"),
        "The crowd has more clients than a pool has workers, all on connections that are kept.",
    ),
    Paragraph(
        measures("idle", "sharing", "plateaus"),
        "Memory is read while nothing changes: PSS and private memory of all processes of the server together. Summed "
        "RSS counts a shared page once for each process, and so makes a forked server look larger than it is.",
    ),
    Paragraph(
        measures("schedulers"),
        "Each round begins with a calibration, which reads how much CPU time requests of two sizes take. From it "
        "follows how many units of work a short and a long request have, and how many come in a second. quartet-pace "
        "asks at times that are fixed beforehand, the same for every server of a round. A latency counts from when its "
        "request was due.",
    ),
    Paragraph(
        measures("schedulers"),
        "Short and long requests have connections of their own, so many that a request seldom waits for one: only what "
        "has reached the server can be scheduled there.",
    ),
    Paragraph(
        measures("walk"),
        "strace lists the system calls of one request. The client waits after each step, so that the server is never "
        "in a hurry. strace slows the server down: no times are shown.",
    ),
    Paragraph(
        measures("crash", "script"),
        "A fault comes amid a steady load. Every request of everybody else is accounted for, one by one; from these "
        "records alone follows what the fault did. The catalogue of faults says what is expected.",
    ),
)

THREATS = (
    Paragraph(
        lambda run: True,
        "One machine, loopback, no TLS: a real network adds latency that hides much of what is seen here.",
    ),
    Paragraph(
        lambda run: run.environment.virtual,
        "This is a virtual machine. Its speed may drift by a factor of two within minutes. Believe ratios of the same "
        "round rather than figures, and repeat them on your own machine.",
    ),
    Paragraph(
        lambda run: LOADED(run) and all(len(one.server) == 1 for one in run.cpu_sets),
        "One server CPU: a single loop cannot use a second one, but processes, threads and several loops can.",
    ),
    Paragraph(
        settings(lambda one: any(each.name == "plaintext" for each in one.workloads), "load", "sweep"),
        "/plaintext measures the model, because its handler does next to nothing. The longer a handler computes, the "
        "less the model matters. The longer it waits, the more it matters how many clients can wait at a time.",
    ),
    Paragraph(
        settings(lambda one: one.closed, "load"),
        "In a closed loop a server that stalls is asked less. Latency at full load is the number of clients divided by "
        "throughput: it does not tell how long a user waits.",
    ),
    Paragraph(
        settings(lambda one: bool(one.rates), "load"),
        "At unequal load CPU time per request cannot be compared: a busier server serves several requests at a time, "
        "and looks cheaper. At an equal rate it can.",
    ),
    Paragraph(
        contestant(lambda one: (one.model or one.name).startswith("fork-per")),
        "A fork copies page tables: its price grows with the memory of the parent. The parents here are small, where "
        "no ballast is told.",
    ),
    Paragraph(
        contestant(lambda one: one.kind == Kind.peer),
        "A peer differs from ours in more than its way to wait: it has other features, buffers and a configuration.",
    ),
    Paragraph(
        measures("crash", "script"),
        "A fault is watched for a few seconds at most. An outage to the end of that is not one for ever. Where chance "
        "decides, another try may come out otherwise.",
    ),
    Paragraph(
        measures("schedulers"),
        "The handler only computes. A policy decides who computes next; it cannot help whoever waits for a disk or for "
        "another server.",
    ),
    Paragraph(
        measures("schedulers"),
        "Two sizes, one share of long requests, one load. The wider the sizes are apart, and the higher the load is, "
        "the more a policy matters; without long requests it does not.",
    ),
    Paragraph(
        measures("idle"),
        "What the kernel holds for connections is the change of the whole machine's memory, where no control group "
        "tells it; other programs change it, too.",
    ),
)


def method(run: Run) -> list[str]:
    """How it was measured, then what that cannot tell."""
    return [one.text for one in (*HOW, *THREATS) if one.holds(run)]


CONTAINER = "container"  # the runner where harness, servers and load are in one, which docker/compose.yaml starts
IN_CONTAINER = "docker-compose --file docker/compose.yaml run --rm report"


def commands(run: Run) -> list[tuple[str, str]]:
    """Of this run; and of each measurement an example, with a port to paste in place of one that the kernel chose."""
    again, program = _elsewhere(run.environment.command), "loadtest/quartet"
    if run.environment.runner == CONTAINER:  # whose program nobody calls by its own name
        again, program = f"{IN_CONTAINER} {again.partition(' ')[2]}", IN_CONTAINER
    found = [("Measure this again", again)]
    if run.state != "complete" or run.failures:
        found.append(("Go on with it (DIR: its folder)", f"{program} {run.verb} --resume DIR"))
    found += [
        ("Show it again, and write this page", f"{program} report DIR"),
        ("Compare it with another run", f"{program} report --compare DIR OTHER"),
        ("Print every command of it, ready to paste", f"{again} --dry-run"),
    ]
    return [*found, *(one for part in run.parts for one in _examples(part))]


def _elsewhere(command: str) -> str:
    """Into a new folder, because one folder does not hold two runs."""
    argv = shlex.split(command)
    kept = [word for before, word in zip(["", *argv], argv) if "--out" not in (before, word)]
    return shlex.join([word for word in kept if not word.startswith("--out=")])


def _examples(part: Part) -> Iterator[tuple[str, str]]:
    """Of its first valid result."""
    first = next((one for one in part.results if not one.problems), None)
    if first is None:
        return
    name = f"{first.step.what}: {first.step.contestant}"
    yield f"{contents.EXAMPLE}The server ({name})", first.server_command.replace("127.0.0.1:0", str(EXAMPLE))
    for argv in MEASUREMENTS[part.measurement].load(EXAMPLE, part.settings, first.step):
        yield f"{contents.EXAMPLE}A client ({name})", shlex.join(argv)
