"""The clients' side, by quartet-pace: short and long requests at random times, and before them, for the calibration,
requests of two sizes one after another. It runs where the server can be reached."""

from dataclasses import dataclass

from loadtest.clients import pace
from loadtest.clients.client_side import ClientSide
from loadtest.system import MeasurementError
from loadtest.system.processes import Address, Tell
from loadtest.verbs.schedulers.calibration import Mix
from loadtest.verbs.schedulers.plan import PROBES, WARM_UP, SchedulerSettings, SchedulerStep

BEGINS, ENDS = "load begins", "load ends"  # what the server's side is told, each time


@dataclass
class Asked:
    """What the calibration's client saw."""

    requests: list[int]  # of each size, that were answered well
    cpu_seconds: float  # that the clients took


def calibrate(address: Address, settings: SchedulerSettings, step: SchedulerStep, tell: Tell) -> Asked:
    """Tells before and after the requests of each size. Raises MeasurementError."""
    found = Asked([], 0.0)
    warm_up, *probes = calibration_commands(address, settings)
    pace.measure(warm_up, WARM_UP)
    for argv, seconds in zip(probes, PROBES.values(), strict=True):
        tell(BEGINS)
        finished = pace.measure(argv, seconds)
        tell(ENDS)
        ended = pace.outcomes(pace.summary(finished)["lanes"][0])
        if ended.keys() != {"ok"}:
            counts = ", ".join(f"{count:,} {kind}" for kind, count in ended.items()) or "nothing"
            raise MeasurementError(f"of requests for /cpu, one after another, became: {counts}")
        found.requests.append(ended["ok"])
        found.cpu_seconds += finished.cpu_seconds
    return found


def calibration_commands(address: Address, settings: SchedulerSettings) -> list[list[str]]:
    """The first one only warms up."""
    sizes = [(next(iter(PROBES)), WARM_UP), *PROBES.items()]
    return [
        pace.command(settings.pace, address, settings.cpus.load, f"/cpu?units={units}", *pace.closed(1, seconds))
        for units, seconds in sizes
    ]


@dataclass(frozen=True)
class Load:
    """A step, and what is asked for in it."""

    step: SchedulerStep
    mix: Mix


@dataclass
class Observed:
    short: ClientSide
    long: ClientSide
    cpu_seconds: float  # that the clients took
    printed: str


def trial(address: Address, settings: SchedulerSettings, step: Load, tell: Tell) -> Observed:
    """Tells before the load and after its last answer. Raises MeasurementError."""
    tell(BEGINS)
    finished = pace.measure(command(address, settings, step), settings.duration + settings.patience)
    tell(ENDS)
    short, long = (pace.client_side(finished, lane) for lane in range(2))
    return Observed(short, long, finished.cpu_seconds, finished.stdout)


LANES = 10  # seeds apart: quartet-pace takes the one after its seed for its second class


def command(address: Address, settings: SchedulerSettings, step: Load) -> list[str]:
    """In each round others arrive, the same ones at everybody's."""
    short, long, seed = step.mix.short, step.mix.long, LANES * (1000 * settings.seed + step.step.round)
    return pace.command(
        *(settings.pace, address, settings.cpus.load),
        *("--mix", f"short={short.rate:.3f}:/cpu?units={short.units}&deadline_ms={settings.short_deadline}"),
        *("--mix", f"long={long.rate:.3f}:/cpu?units={long.units}&deadline_ms={settings.long_deadline}"),
        *("--rate", f"{step.mix.rate:.3f}", "--poisson", "--seed", str(seed), "-c", str(settings.connections)),
        *("-d", pace.milliseconds(settings.duration)),
        *("--timeout", pace.milliseconds(settings.patience), "--grace", pace.milliseconds(settings.patience)),
        *pace.LENIENT,
    )


def commands(address: Address, settings: SchedulerSettings, step: SchedulerStep) -> list[list[str]]:
    """Of a dry run: what is asked for under load is said by the calibration, and supposed here."""
    if step.calibrates:
        return calibration_commands(address, settings)
    return [command(address, settings, Load(step, settings.supposed))]
