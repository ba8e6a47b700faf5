"""One crash, of a server of its own, and the measurement `crash`."""

from loadtest.clients.pace import EXECUTABLE
from loadtest.engine.measurement import Bench, Measurement, refuse_incidents, stop
from loadtest.places.launch import ServerPlan
from loadtest.system.processes import Address
from loadtest.verbs.crash import account, clients
from loadtest.verbs.crash.account import Crash
from loadtest.verbs.crash.clients import CrashSettings, CrashStep


def measure(bench: Bench, step: CrashStep) -> Crash:
    """Raises MeasurementError."""
    settings = bench.settings
    processes: list[set[tuple[int, int]]] = []
    with bench.start(server(settings, step)) as running:
        found = running.ask(clients.crash, settings, step, lambda _: processes.append(running.processes()))
        died = running.has_ended()
        ended = stop(running)
        refuse_incidents(running)
    problem = account.crash_problem(found.faulty, found.attempts, found.fault_at)
    return Crash(
        step=step,
        server_command=running.command,
        problems=[*filter(None, [problem]), *found.problems],
        fault_at=found.fault_at,
        faulty=found.faulty,
        attempts=found.attempts,
        survivors=account.survivors(processes, found, ended.status if died else None),
    )


def server(settings: CrashSettings, step: CrashStep) -> ServerPlan:
    contestant = settings.contestant_of(step)
    return ServerPlan(contestant, settings.cpus, settings.workers, settings.clients, ("--enable-faults",))


def load(address: Address, settings: CrashSettings, step: CrashStep) -> list[list[str]]:
    return [clients.load_command(address, settings), clients.fault_command(address, settings)]


CRASH = Measurement(
    name="crash",
    settings=CrashSettings,
    result=Crash,
    steps=clients.steps,
    seconds=clients.seconds,
    measure=measure,
    server=server,
    load=load,
    programs=(EXECUTABLE,),
    key=clients.key,
)
