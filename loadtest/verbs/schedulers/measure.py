"""One step: a calibration, or a load, before a server of its own; and what both ends say of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.clients.pace import EXECUTABLE
from loadtest.engine.measurement import Bench, Measurement, stop, stop_well
from loadtest.places.launch import ServerPlan
from loadtest.statistics.validity import too_much_cpu
from loadtest.system import MeasurementError, cpus
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.system.processes import Server, describe_status
from loadtest.system.usage import Usage, Window
from loadtest.verbs.schedulers import clients, plan, results
from loadtest.verbs.schedulers.calibration import Calibration, Probe, calibration
from loadtest.verbs.schedulers.plan import KERNEL, PROBES, SchedulerSettings, SchedulerStep
from loadtest.verbs.schedulers.results import Scheduled, misfit


@dataclass(frozen=True)
class Look:
    """At one moment: what the server has used, and what its CPU and the clients' have done."""

    usage: Usage
    cpus: cpus.Reading


def look(server: Server) -> Look:
    return Look(server.usage(), cpus.read())


def measure(bench: Bench, step: SchedulerStep) -> Scheduled:
    """Raises MeasurementError."""
    return _calibrate(bench, step) if step.calibrates else _load(bench, step)


def _calibrate(bench: Bench, step: SchedulerStep) -> Scheduled:
    settings, looks = bench.settings, list[Look]()
    with bench.start(server(settings, step)) as running:
        asked = running.ask(clients.calibrate, settings, step, lambda _: looks.append(look(running)))
        stop_well(running)
    windows = [Window(before.usage, after.usage) for before, after in zip(looks[::2], looks[1::2], strict=True)]
    found = calibration(
        *(
            Probe(units, requests, window.cpu_seconds)
            for units, requests, window in zip(PROBES, asked.requests, windows, strict=True)
        )
    )
    return Scheduled(
        step=step,
        server_command=running.command,
        calibration=found,
        mix=settings.mix(found),
        disturbance=_disturbance(looks[0], looks[-1], settings.cpus, asked.cpu_seconds),
    )


def _disturbance(before: Look, after: Look, sets: CpuSets, clients_seconds: float) -> Disturbance:
    used = Window(before.usage, after.usage).corrected
    return cpus.disturbance(before.cpus, after.cpus, sets, used, clients_seconds)


def _load(bench: Bench, step: SchedulerStep) -> Scheduled:
    settings, said, looks = bench.settings, calibrated(bench.earlier, step), dict[str, Look]()
    mix = settings.mix(said)
    with bench.start(server(settings, step)) as running:

        def tell(moment: str) -> None:
            if running.has_ended():
                fate = f"{describe_status(stop(running).status)}{running.last_lines()}"
                raise MeasurementError(f"under load the server {fate}")
            looks[moment] = look(running)

        observed = running.ask(clients.trial, settings, clients.Load(step, mix), tell)
        ended = stop(running)
        problems = running.incidents()
        if ended.status != 0:
            problems.append(f"the server {describe_status(ended.status)}{running.last_lines()}")
    bench.printed[f"{step.round:02}-{step.contestant}.json"] = observed.printed
    before, after = looks[clients.BEGINS], looks[clients.ENDS]
    window = Window(before.usage, after.usage)
    found = Scheduled(
        step=step,
        server_command=running.command,
        calibration=said,
        mix=mix,
        short=observed.short,
        long=observed.long,
        server_cpu_seconds=window.corrected,
        disturbance=_disturbance(before, after, settings.cpus, observed.cpu_seconds),
    )
    found.problems = [*problems, *_problems(found, settings, window)]
    return found


def _problems(found: Scheduled, settings: SchedulerSettings, window: Window) -> list[str]:
    """Of the client, which is one for both sizes; of a CPU time that cannot be; and of a load that does not add up."""
    of_client = list(dict.fromkeys(problem for one in found.sides for problem in one.problems))
    too_much = too_much_cpu(found.server_cpu_seconds, window.seconds, 1, window.bearable(1))
    return [*of_client, *filter(None, [too_much or misfit(found, settings)])]


def calibrated(earlier: Sequence[Scheduled], step: SchedulerStep) -> Calibration:
    """By the calibration of its round, or by the last one before it where that failed. Raises MeasurementError."""
    found = [one for one in earlier if one.step.calibrates and one.step.round <= step.round]
    if not found:
        raise MeasurementError("nobody knows what a request takes here, because the calibration failed")
    return max(found, key=lambda one: one.step.round).calibration


def server(settings: SchedulerSettings, step: SchedulerStep) -> ServerPlan:
    """A pool has a worker for each connection and two to spare. Nobody rotates connections."""
    contestant, connections = settings.contestant(step.contestant), settings.all_connections
    more = ("--max-requests-per-connection", "0")
    under = KERNEL.get(step.contestant, ())
    return ServerPlan(contestant, settings.cpus, connections + 2, connections, more, under)


SCHEDULERS = Measurement(
    name="schedulers",
    settings=SchedulerSettings,
    result=Scheduled,
    steps=plan.steps,
    seconds=plan.seconds,
    measure=measure,
    server=server,
    load=clients.commands,
    programs=(EXECUTABLE,),
    key=lambda step: (step.contestant, step.calibrates),  # who calibrates and fails may be loaded all the same
    values=results.values,
    bounds=results.bounds,
    labels=plan.labels,
    primary="short p99",
)
