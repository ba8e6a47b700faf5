"""The clients' side of what is measured of memory, by quartet-pace. It runs where the server can be reached, and knows
nothing of it but the address."""

import math
import re
import signal
from collections.abc import Sequence
from contextlib import ExitStack

from loadtest.clients import pace, stats
from loadtest.system import MeasurementError
from loadtest.system.processes import Address, Dialogue, Finished, Tell
from loadtest.verbs.memory import plan

ANNOUNCEMENT = re.compile(r"holding (\d+)\n")
PATIENCE = 5.0  # seconds for an answer to somebody who asks alone
AT_A_TIME = 64  # requests of its held connections that one quartet-pace has on their way


def hold(address: Address, settings: plan.IdleSettings, step: plan.IdleStep, tell: Tell) -> plan.IdleObservation:
    """Tells ("idle") while so many connections are open that were answered once and are idle since."""
    if step.connections == 0:
        # one answer first: what that takes is not charged to the connections of the other levels
        if stats.get(address, "/plaintext", PATIENCE) is None:
            raise MeasurementError("a first request for /plaintext got no answer")
        tell("idle")
        return plan.IdleObservation(command="", served=0, counted=None)
    [command] = hold_commands(address, settings, step)
    with Dialogue(command) as talk:
        served = _all_served([talk], settings, step.connections)
        tell("idle")
        counted = None
        if settings.contestant(step.contestant).ours:
            # a second witness, asked after the look: the answer takes memory, too
            missing = f"not all of {served:,} connections are idle"
            counted = stats.await_counts(address, PATIENCE, lambda counts: counts.idle >= served, missing).idle
        finished = _release(talk)
    return plan.IdleObservation(finished.command, served, counted, finished.cpu_seconds)


def hold_commands(address: Address, settings: plan.IdleSettings, step: plan.IdleStep) -> list[list[str]]:
    if step.connections == 0:
        return []
    return [_holding(address, settings, str(step.connections), "--sources", str(settings.sources))]


def plateaus(address: Address, settings: plan.PlateauSettings, step: plan.PlateauStep, tell: Tell) -> list[str]:
    """Tells when every connection has a request in hand ("busy"), and when all are answered and kept ("idle"). Returns
    the commands."""
    asked = settings.connections
    with ExitStack() as stack:
        talks = [stack.enter_context(Dialogue(one)) for one in plateau_commands(address, settings, step)]
        missing = f"not all of {asked:,} connections have a request in hand"
        stats.await_counts(address, PATIENCE, lambda counts: counts.sleeping >= asked, missing)
        tell("busy")
        _all_served(talks, settings, asked)
        tell("idle")
        commands = [_release(talk).command for talk in talks]
    return commands


def plateau_commands(address: Address, settings: plan.PlateauSettings, step: plan.PlateauStep) -> list[list[str]]:
    """As many as it takes for all requests to be in hand at once."""
    full, rest = divmod(settings.connections, AT_A_TIME)
    counts = [AT_A_TIME] * full + [rest] * (rest > 0)
    return [_holding(address, settings, f"{count}:/sleep?ms={settings.sleep}") for count in counts]


def _holding(address: Address, settings: plan.MemorySettings, held: str, *more: str) -> list[str]:
    """`held`: how many connections, and what each asks for."""
    arguments = ["--rate", "0", "--hold", held, *more, "-d", f"{settings.duration}s", "--announce"]
    return pace.command(settings.pace, address, settings.cpus.load, *arguments)


def _all_served(talks: Sequence[Dialogue], settings: plan.MemorySettings, asked: int) -> int:
    """All connections, when each is open and was answered. Raises MeasurementError when they are fewer."""
    served = 0
    for line in (talk.hear(settings.duration) for talk in talks):
        if not (found := ANNOUNCEMENT.fullmatch(line)):
            raise MeasurementError(f"quartet-pace announced no held connections, but {line!r}")
        served += int(found[1])
    if served < asked:
        raise MeasurementError(f"only {served:,} of {asked:,} connections were answered")
    return served


def _release(talk: Dialogue) -> Finished:
    """Ends who holds connections. Raises MeasurementError when not all were held until now."""
    finished = talk.end(signal.SIGINT, PATIENCE)
    found = pace.summary(finished)
    if problems := found["problems"]:
        raise MeasurementError(f"quartet-pace: {'; '.join(problems)}")
    if finished.status not in (0, pace.INTERRUPTED):
        raise MeasurementError(f"{finished.command} exited with status {finished.status}: {finished.stderr.strip()}")
    held = found["held"]
    if lost := held["closed_by_server"]:
        raise MeasurementError(f"the server closed {lost:,} of {held['asked']:,} idle connections")
    return finished


def wear(address: Address, settings: plan.SharingSettings, step: plan.SharingStep, tell: Tell) -> list[str]:
    """Tells each time that all workers have answered so many requests; the moment is their number. Returns the
    commands."""
    commands, done = [], 0
    for goal in settings.requests:
        if requests := (goal - done) * settings.workers:
            command, seconds = _asking(address, settings, requests)
            finished = pace.measure(command, seconds + settings.duration)
            answered = pace.outcomes(pace.summary(finished)["lanes"][0]).get("ok", 0)
            if answered != requests:
                raise MeasurementError(f"{answered:,} of {requests:,} requests for {settings.path} were answered")
            commands.append(finished.command)
        done = goal
        tell(str(goal))
    return commands


def wear_commands(address: Address, settings: plan.SharingSettings, step: plan.SharingStep) -> list[list[str]]:
    """The last, as if nobody had asked before."""
    return [_asking(address, settings, max(settings.requests) * settings.workers)[0]]


def _asking(address: Address, settings: plan.SharingSettings, requests: int) -> tuple[list[str], float]:
    """In turn over one connection for each worker; and how many seconds it takes."""
    duration = math.ceil(requests * 1000 / settings.rate)  # milliseconds
    rate = math.floor(requests / duration * 1e6) / 1e3  # with a higher one, one request more would be due
    load = ["-c", str(settings.workers), "--rate", f"{rate:.3f}", "-d", f"{duration}ms"]
    patience = ["--grace", f"{settings.duration}s"]
    command = pace.command(settings.pace, address, settings.cpus.load, settings.path, *load, *patience)
    return command, duration / 1000
