"""When not to trust a number. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from statistics import median

from loadtest.job import crash
from loadtest.job.crash import CUT
from loadtest.job.plan import Plan
from loadtest.results import CrashRun, Disturbance, LoadRun, Outcome
from loadtest.system.processes import describe_status
from loadtest.wrk_result import WrkResult

SERVER_SHARE = 0.97  # of its CPU budget, from which on the server is the bottleneck
WRK_SHARE = 0.90  # of a CPU, up to which wrk is not
DISTURBED = 0.05  # of a CPU, taken by others


def load_problems(
    wrk: WrkResult, clients_asked: int, clients_served: int | None, server_status: int, last_words: str = ""
) -> list[str]:
    """Why a run is invalid; mostly there is nothing. `last_words`: of the server, as the end of a sentence."""
    found = []
    if wrk.requests == 0:
        found.append("wrk got no answer")
    errors = {kind: count for kind, count in dataclasses.asdict(wrk.errors).items() if count}
    if errors:
        found.append("wrk counted errors: " + ", ".join(f"{count} {kind}" for kind, count in errors.items()))
    if clients_served is not None and clients_served < clients_asked:
        found.append(f"only {clients_served} of {clients_asked} clients got a worker")
    if server_status != 0:
        found.append(f"the server {describe_status(server_status)}{last_words}")
    return found


def crash_problem(run: CrashRun) -> str:
    """Why a crash tells nothing; mostly ""."""
    if run.faulty not in CUT:
        return f"the fault crashed nothing ({run.faulty.value})"
    early = sum(attempt.done < run.fault_at and attempt.outcome != Outcome.ok for attempt in run.attempts)
    if early:
        return f"{early} requests failed before the fault"
    wrong = crash.answered_wrongly(run.attempts)
    return f"{wrong} requests were answered wrongly" if wrong else ""


def unranked_reason(runs: Sequence[LoadRun], plan: Plan) -> str:
    """Why throughput says nothing about the server here; mostly ""."""
    return bottleneck(
        server_share=median(run.server_share(len(plan.cpus.server)) for run in runs),
        client_share=median(run.wrk_share for run in runs),
        shared_cpu=plan.cpus.shared,
        foreign=taken([run.disturbance for run in runs]),
    )


def taken(disturbances: Sequence[Disturbance]) -> float | None:
    """What others took of the server's CPUs, in the median; None where nobody tells."""
    shares = [one.server_cpu for one in disturbances if one.server_cpu is not None]
    return median(shares) if len(shares) == len(disturbances) else None


def unseen(disturbances: Sequence[Disturbance]) -> list[str]:
    """A line on those of which nobody tells, where there are any."""
    unknown = sum(one.unknown for one in disturbances)
    if not unknown:
        return []
    return [
        f"UNSEEN: whether other load disturbed {unknown} of {len(disturbances)} loads cannot be told, because "
        "/proc/stat does not list all CPUs that we measured on (containers may number them anew)."
    ]


def bottleneck(
    server_share: float, client_share: float, shared_cpu: bool, foreign: float | None, client: str = "wrk"
) -> str:
    """"" when the server was: only then is throughput the server's. Otherwise why it was not.

    The shares are of the server's CPU budget and of the one CPU that a single-threaded client can use; `foreign` is
    what others took of the server's CPUs.
    """
    if shared_cpu:
        return "shares its CPU with the load"
    if foreign is not None and foreign > DISTURBED:
        return "shared its CPU with others"
    if not server_share >= SERVER_SHARE:  # also when it is not a number
        return f"used less than {SERVER_SHARE:.0%} of its CPU"
    if not client_share <= WRK_SHARE:
        return f"{client} used more than {WRK_SHARE:.0%} of a CPU"
    return ""
