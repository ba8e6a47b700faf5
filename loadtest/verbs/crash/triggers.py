"""How a fault comes that is no request's handler: by what is done to the server from outside, by what its clients do,
or by what it is started in. One function for each part of it, in a table by the fault's id in the catalogue."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from loadtest.verbs.crash import outside, rude, surroundings
from loadtest.verbs.crash.catalogue import CLIENT, HANDLER, Fault
from loadtest.verbs.crash.outside import Scene, Struck
from loadtest.verbs.crash.plan import CrashSettings
from loadtest.verbs.crash.surroundings import Command
from loadtest.verbs.walk import strace


def _nothing() -> Command:
    return ()


def _nothing_left() -> None:
    pass


def _nothing_missing() -> str:
    return ""


@dataclass(frozen=True)
class Trigger:
    strike: Callable[[Scene], Struck] | None = None  # at the fault; raises MeasurementError
    relieve: Callable[[Struck], object] | None = None  # half-way between the fault and the end
    by_hand: tuple[str, ...] = ()  # commands that do the same as these two, for a dry run
    clients: Callable[[CrashSettings, str], list[str]] = rude.nobody  # arguments of quartet-pace; of when it comes
    under: Callable[[], Command] = _nothing  # that the server's command line follows
    tidy_up: Callable[[], None] = _nothing_left  # what that leaves behind, when the server has ended
    removes: Callable[[], Command] = _nothing  # the command that does the same, for a dry run
    missing: Callable[[], str] = _nothing_missing  # a sentence: what no installation mends on this machine
    traces: bool = False  # with strace, which has to be installed


cannot_trace = cache(strace.missing)  # asked only where strace is installed, or where nobody will install it any more


def _may_not_trace() -> str:
    return cannot_trace() if shutil.which("strace") else ""


REQUEST = Trigger()  # what a fault needs that is a request alone
TRIGGERS = {
    "stop-continue": Trigger(
        strike=outside.stop,
        relieve=outside.go_on,
        by_hand=("kill -STOP PID-of-a-worker", "kill -CONT PID-of-a-worker"),
    ),
    "kill-worker": Trigger(strike=outside.kill_worker, by_hand=("kill -KILL PID-of-a-worker",)),
    "kill-parent": Trigger(strike=outside.kill_parent, by_hand=("kill -KILL PID-of-the-parent",)),
    "crash-loop": Trigger(
        strike=outside.crash_loop,
        relieve=outside.end_crash_loop,
        by_hand=(f"strace {' '.join(outside.KILL_THE_NEW)} -p PID-of-the-parent", "kill -KILL PID-of-a-worker"),
        missing=_may_not_trace,
        traces=True,
    ),
    "client-abort": Trigger(clients=rude.aborts),
    "slow-headers": Trigger(clients=rude.slow_headers),
    "slow-readers": Trigger(clients=rude.slow_readers),
    "connection-flood": Trigger(clients=rude.flood),
    "poison": Trigger(clients=rude.retries),
    "log-pipe-full": Trigger(under=surroundings.log_pipe_full),
    "log-disk-full": Trigger(under=surroundings.log_disk_full),
    "scoreboard-full": Trigger(under=surroundings.scoreboard_full, missing=surroundings.no_private_mounts),
    "scoreboard-truncated": Trigger(
        strike=outside.truncate_scoreboard, by_hand=("truncate --size 0 /dev/shm/quartet-{port}",)
    ),
    "oom-kill": Trigger(
        under=surroundings.little_memory,
        tidy_up=surroundings.leave_no_group,
        removes=surroundings.group_removal,
        missing=surroundings.no_little_memory,
    ),
    "descriptor-limit": Trigger(clients=rude.flood),
}


def of(fault: Fault) -> Trigger:
    return REQUEST if fault.kind == HANDLER else TRIGGERS[fault.id]


def misplaced(fault: Fault, runner: str) -> str:
    """Why it is nothing for that runner, in a sentence; else nothing."""
    if runner != "local" and fault.kind not in (HANDLER, CLIENT):
        return f"{fault.id} is done to the server's processes and files on this machine: use --runner local"
    return ""


def left_out(name: str, why: str) -> str:
    """`why` may name it, too: once is enough."""
    itself = f"{name.partition('?')[0]} is "
    return f"{name} is left out: {'it is ' if why.startswith(itself) else ''}{why.removeprefix(itself)}"


def refusal(fault: Fault, runner: str) -> str:
    """Why it cannot be measured there, whatever is installed, in a sentence; else nothing. This machine is tried."""
    return misplaced(fault, runner) or of(fault).missing()


def untraceable(fault: Fault) -> str:
    """The same, once all is installed."""
    return cannot_trace() if of(fault).traces else ""
