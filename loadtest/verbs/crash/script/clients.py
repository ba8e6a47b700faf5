"""The clients' side of a script, by quartet-pace. It runs where the server can be reached and knows nothing of it but
the address. Times are in seconds from the schedule's start."""

from loadtest.clients.pace import milliseconds
from loadtest.system.processes import Address, Tell
from loadtest.verbs.crash.clients import Observation, observe, watch_command
from loadtest.verbs.crash.script.plan import PlaySettings
from loadtest.verbs.crash.script.results import PlayStep
from loadtest.verbs.crash.script.schedule import Script


def play(address: Address, settings: PlaySettings, step: PlayStep, tell: Tell) -> Observation:
    """Raises MeasurementError."""
    command = load_command(address, settings)
    return observe(command, moments(settings.script), settings.duration, least(settings), tell)


def load_command(address: Address, settings: PlaySettings) -> list[str]:
    script = settings.script
    random = [] if script.seed is None else ["--poisson", "--seed", str(script.seed)]
    requests = [(blow.at, target) for blow in script.blows for target in blow.fault.requests]
    faults = [word for at, target in requests for word in ("--fault", f"{milliseconds(at)}:{target}")]
    return watch_command(address, settings, settings.loads, script.rates, script.end, [*random, *faults])


def least(settings: PlaySettings) -> dict[str, int]:
    """Requests that classes have at least; of random arrivals nobody knows."""
    script = settings.script
    found = {"newcomer": int(script.end / settings.newcomers + 1e-6)}
    if script.seed is None:
        found["waiting"] = int(script.requests() / 2)
    return found


def moments(script: Script) -> dict[str, float]:
    """At which the server is looked at: twice before the first fault, and twice between each and what comes next, so
    early that a look that is late does not see the next fault."""
    spans = [(0.0, script.blows[0].at), *script.spans()]
    return {look(n, k): at + (until - at) * (k + 2) / 4 for n, (at, until) in enumerate(spans) for k in (0, 1)}


def look(fault: int, number: int) -> str:
    """The name of the first (0) or second (1) one after so many faults."""
    return f"{fault}.{number}"
