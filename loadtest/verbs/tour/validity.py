"""When not to trust a number of the tour. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from statistics import median

from loadtest.clients.outcomes import Outcome
from loadtest.clients.wrk_result import WrkResult
from loadtest.statistics.validity import bottleneck
from loadtest.system.cpus import taken
from loadtest.system.processes import describe_status
from loadtest.verbs.tour import crash
from loadtest.verbs.tour.crash import CUT
from loadtest.verbs.tour.plan import Plan
from loadtest.verbs.tour.results import CrashRun, LoadRun


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
