"""How a fault comes that is no request's handler: by what is done to the server from outside, by what its clients do,
or by what it is started in. One function for each part of it, in a table by the fault's id in the catalogue."""

from collections.abc import Callable
from dataclasses import dataclass

from loadtest.verbs.crash import outside, rude, surroundings
from loadtest.verbs.crash.catalogue import CLIENT, HANDLER, Fault
from loadtest.verbs.crash.outside import Scene, Struck
from loadtest.verbs.crash.plan import CrashSettings
from loadtest.verbs.crash.surroundings import Command


def _nothing() -> Command:
    return ()


def _nothing_missing() -> str:
    return ""


@dataclass(frozen=True)
class Trigger:
    strike: Callable[[Scene], Struck] | None = None  # at the fault; raises MeasurementError
    relieve: Callable[[Struck], object] | None = None  # half-way between the fault and the end
    clients: Callable[[CrashSettings, str], list[str]] = rude.nobody  # arguments of quartet-pace; of when it comes
    under: Callable[[], Command] = _nothing  # that the server's command line follows
    missing: Callable[[], str] = _nothing_missing  # what this machine lacks for it, a sentence


REQUEST = Trigger()  # what a fault needs that is a request alone
TRIGGERS = {
    "stop-continue": Trigger(strike=outside.stop, relieve=outside.go_on),
    "kill-worker": Trigger(strike=outside.kill_worker),
    "kill-parent": Trigger(strike=outside.kill_parent),
    "client-abort": Trigger(clients=rude.aborts),
    "slow-headers": Trigger(clients=rude.slow_headers),
    "slow-readers": Trigger(clients=rude.slow_readers),
    "connection-flood": Trigger(clients=rude.flood),
    "poison": Trigger(clients=rude.retries),
    "log-pipe-full": Trigger(under=surroundings.log_pipe_full),
    "log-disk-full": Trigger(under=surroundings.log_disk_full),
    "scoreboard-full": Trigger(under=surroundings.scoreboard_full, missing=surroundings.no_private_mounts),
    "scoreboard-truncated": Trigger(strike=outside.truncate_scoreboard),
    "descriptor-limit": Trigger(clients=rude.flood),
}


def of(fault: Fault) -> Trigger:
    return REQUEST if fault.kind == HANDLER else TRIGGERS[fault.id]


def refusal(fault: Fault, runner: str) -> str:
    """Why it cannot be measured there, in a sentence; else nothing."""
    if runner != "local" and fault.kind not in (HANDLER, CLIENT):
        return f"{fault.id} is done to the server's processes and files on this machine: use --runner local"
    return of(fault).missing()
