"""From names on the command line to contestants, workloads, rates and gates. Pure."""

import re
from collections.abc import Sequence

from loadtest.contestants.contestants import CLASSIC, MODELS, WORKLOADS, Contestant, Kind, Workload, select, variant
from loadtest.contestants.peers import EVERYBODY, PEER_CONTESTANTS
from loadtest.verbs.load.plan import Gate

YARDSTICK = "yardstick"
# At these, CPU time is compared: at unequal load the busier server looks cheaper.
YARDSTICK_RATES = (2000.0, 20000.0)  # fork per request does not reach the second
ROUNDS_OF_ALL = 11  # which tell nine models apart: 36 comparisons, by signed ranks and Holm's correction


def contestants(
    preset: str, only: str, peers: Sequence[str], variants: Sequence[str], every_model: bool = False
) -> tuple[Contestant, ...]:
    """The pure models, or every one, or those named; then peers and variants. Raises ValueError."""
    refuse_both(every_model, only)
    if preset not in ("", YARDSTICK):
        raise ValueError(f"there is no preset {preset!r}; there is {YARDSTICK}")
    chosen = select(only.split(","), EVERYBODY) if only else MODELS if every_model else CLASSIC
    if preset:
        models = [one.name for one in chosen if one.kind == Kind.model]
        chosen = tuple(one for one in EVERYBODY if one in chosen or one.model in models)
    try:
        named = select(peers, PEER_CONTESTANTS)
    except ValueError as error:
        raise ValueError(f"--peer: {error}") from error
    return (*chosen, *(one for one in named if one not in chosen), *map(variant, variants))


def refuse_both(every_model: bool, only: str) -> None:
    """Raises ValueError."""
    if every_model and only:
        raise ValueError(f"--all and --only {only}: give one of them")


def workloads(names: str) -> tuple[Workload, ...]:
    """Of those names, or paths of ours; each once. Raises ValueError."""
    known = {workload.name: workload for workload in WORKLOADS}
    found: dict[str, Workload] = {}
    for name in names.split(","):
        if not re.fullmatch(r"/[!-~]*", name) and name not in known:
            raise ValueError(
                f"there is no workload {name!r}; there are {', '.join(known)}, and any path that starts with a /"
            )
        found[name] = known.get(name, Workload(name, name))
    return tuple(found.values())


def gate(text: str) -> Gate:
    """From "p99=5ms" or "p99.9=100ms". Raises ValueError."""
    found = re.fullmatch(r"(p50|p90|p99|p99\.9|max|mean)=([0-9]+(?:\.[0-9]+)?)(ms|s|us)", text)
    if not found:
        raise ValueError(f"--slo {text}: expected a quantile and a time, such as p99=5ms or max=1s")
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[3]]
    return Gate(found[1].replace("99.9", "999"), float(found[2]) * unit)
