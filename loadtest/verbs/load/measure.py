"""One trial: a server of its own, a load, and what both ends say of it."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtest.clients import pace
from loadtest.clients.client_side import ClientSide
from loadtest.engine.measurement import Bench, stop
from loadtest.engine.runner import REPEATS_OF_A_STEP
from loadtest.places.launch import ServerPlan, dry_run
from loadtest.statistics.validity import DISTURBED, late_window, too_much_cpu
from loadtest.system import MeasurementError, cpus, syscalls
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.system.memory import Memory
from loadtest.system.processes import Address, Ended, Server, describe_status
from loadtest.system.procfs import Switches
from loadtest.system.scoreboard import Counts, Scoreboard
from loadtest.system.usage import Usage, Window
from loadtest.verbs.load import clients
from loadtest.verbs.load.clients import AMID, LOAD_BEGINS, LOAD_ENDS, WINDOW_BEGINS, WINDOW_ENDS, Observed
from loadtest.verbs.load.plan import Cell, Settings, TrialStep
from loadtest.verbs.load.results import Trial, problems


@dataclass(frozen=True)
class Look:
    """At one moment: what the server has used, and what its CPUs and the load's have done."""

    usage: Usage
    cpus: cpus.Reading
    counts: Counts | None = None  # what a server of ours has counted until then


@dataclass(frozen=True)
class Work:
    """Of the server, in the window."""

    cpu_seconds: float | None  # None: not read
    answers: float | None = None  # None: at the clients' rate
    unsure: float = 0.0  # seconds by which its CPU time may be off


@dataclass
class Watch:
    """The server's side of a load: looks at the server when the clients' side tells that a moment has come."""

    server: Server
    looks: dict[str, Look] = field(default_factory=dict)
    memory: Memory | None = None
    problems: list[str] = field(default_factory=list)
    scoreboard: Scoreboard | None = None  # of a server of ours

    def look(self, moment: str) -> None:
        try:
            if moment == AMID:
                self.memory = self.server.memory()
            else:
                usage = self.server.usage()
                self.looks[moment] = Look(usage, cpus.read(), self.counts())
        except MeasurementError as error:  # it has died: the clients go on to see what that looks like
            self.problems.append(str(error))

    def counts(self) -> Counts | None:
        return self.scoreboard.counts() if self.scoreboard else None

    @property
    def window(self) -> Window | None:
        """Amid the load; None when the server could not be read at both ends."""
        return self._between(WINDOW_BEGINS, WINDOW_ENDS)

    @property
    def whole(self) -> Window | None:
        """With the clients' start and end."""
        return self._between(LOAD_BEGINS, LOAD_ENDS)

    def _between(self, begin: str, end: str) -> Window | None:
        if begin not in self.looks or end not in self.looks:
            return None
        return Window(self.looks[begin].usage, self.looks[end].usage)

    @property
    def counted(self) -> int | None:
        """Requests in the window, by the server's own count."""
        found = self.counts_between(WINDOW_BEGINS, WINDOW_ENDS)
        return found.requests if found else None

    def counts_between(self, begin: str, end: str) -> Counts | None:
        first, last = self.counts_at(begin), self.counts_at(end)
        return last - first if first and last else None

    def counts_at(self, moment: str) -> Counts | None:
        return self.looks[moment].counts if moment in self.looks else None

    def price(self, ended: Ended) -> float | None:
        """CPU seconds of a process that ends, over the whole life of a server that counts them: each connection has
        one, and each request. None where one of the numbers is not known."""
        begin, end = self.counts_at(LOAD_BEGINS), self.counts()
        if ended.cpu_seconds is None or not begin or not end or not (end - begin).both:
            return None
        return (ended.cpu_seconds - self.looks[LOAD_BEGINS].usage.cpu_seconds) / (end - begin).both

    def priced(self, ended: Ended, begin: str, end: str) -> Work | None:
        """Between two looks, where many processes waited for their dead: what each costs, as often as it was counted.
        It may be off by what was in hand at a look. None where a clock tells it better, or no count tells it."""
        window, counts, price = self._between(begin, end), self.counts_between(begin, end), self.price(ended)
        if not window or not window.coarse or not counts or price is None:
            return None
        return Work(price * counts.both, counts.both, price * window.end.parents)

    def system_share(self, sets: CpuSets, disturbance: Disturbance) -> float | None:
        """None where others worked there, too: a CPU's ticks do not tell whose work they met."""
        if not self.window or (disturbance.server_cpu or 0) > DISTURBED:
            return None
        return cpus.system_share(self.looks[WINDOW_BEGINS].cpus, self.looks[WINDOW_ENDS].cpus, sets.server)

    def disturbance(self, sets: CpuSets, clients_seconds: float, ended: Ended) -> Disturbance:
        """Over the whole load, because of the clients' CPU time nobody knows more than the sum."""
        if not (whole := self.whole):
            return Disturbance(None, None, None)
        before, after = self.looks[LOAD_BEGINS].cpus, self.looks[LOAD_ENDS].cpus
        return cpus.disturbance(before, after, sets, self.server_seconds(whole, ended), clients_seconds)

    def server_seconds(self, whole: Window, ended: Ended) -> float:
        """CPU seconds over the whole load, by what is known better: the price, of which what is in hand at the end has
        cost about half; or the ticks."""
        priced = self.priced(ended, LOAD_BEGINS, LOAD_ENDS)
        if priced and priced.cpu_seconds is not None and priced.unsure < whole.rounded:
            return priced.cpu_seconds - priced.unsure / 2
        return whole.corrected


@contextmanager
def watching(server: Server, ours: bool) -> Iterator[Watch]:
    """With the counts of one of ours, which can be read after its end."""
    watch = Watch(server)
    if not ours:
        yield watch
        return
    with closing(server.scoreboard()) as watch.scoreboard:
        yield watch


def clients_seconds(bench: Bench, observed: Observed) -> float:
    """What their side has used, this process apart: natively it is their side, too."""
    return observed.cpu_seconds + (0.0 if bench.place.name == "local" else observed.own_cpu_seconds)


def measure(bench: Bench, step: TrialStep) -> Trial:
    """Raises MeasurementError."""
    settings, budget = bench.settings, bench.settings.budgets[step.cell.cpus]
    with ExitStack() as opened:
        running = opened.enter_context(bench.start(server(settings, step, bench.directory / "root")))
        watch = opened.enter_context(watching(running, settings.contestant(step.contestant).ours))
        observed = running.ask(clients.trial, settings, step, watch.look)
        ended = stop(running)
        fate = f"the server {describe_status(ended.status)}{running.last_lines()}"
        incidents = running.incidents()
        work = work_of(watch, ended, observed, step.cell, settings.duration)
        disturbance = watch.disturbance(budget, clients_seconds(bench, observed), ended)
    bench.printed[_raw_name(step)] = observed.printed
    window = watch.window
    switches = counted_switches(watch, ended, observed, step.cell)
    trial = Trial(
        step=step,
        server_command=running.command,
        client=observed.client,
        server_cpu_seconds=believed(window, work, step.cell.cpus),
        window_seconds=window.seconds if window else None,
        system_share=watch.system_share(budget, disturbance),
        switches=switches.count,
        switches_answers=switches.answers,
        switches_problem=switches.problem,
        answers=work.answers,
        clients_served=observed.clients_served,
        newcomers=observed.newcomers,
        memory=watch.memory,
        disturbance=disturbance,
    )
    of_window = window_problems(watch, work, step.cell.cpus, observed.began + settings.duration)
    trial.problems = [*problems(trial), *of_window, *incidents, *([fate] if ended.status != 0 else [])]
    trial.misread = bool(of_window) and ended.status == 0
    if step.counts_system_calls:
        invalid = None, "the first round, which counts them, is invalid"
        trial.system_calls, trial.system_calls_problem = invalid if trial.problems else count_system_calls(bench, step)
    return trial


VARIES = 0.1  # of the price of a request, between one part of a load and all of it


def work_of(watch: Watch, ended: Ended, observed: Observed, cell: Cell, duration: float) -> Work:
    """The account of the dead is in ticks, rounded down: too coarse for a window where many processes wait for theirs.
    There a request costs what it did over the server's whole life, which it leaves to the microsecond at its end."""
    if not (window := watch.window):
        return Work(None)
    if priced := watch.priced(ended, WINDOW_BEGINS, WINDOW_ENDS):
        return replace(priced, unsure=priced.unsure + VARIES * (priced.cpu_seconds or 0.0))
    answers = watch.counted
    told = told_answers(watch, observed, cell, duration) if answers is None else answers
    return Work(window.cpu_seconds, told, window.rounded)


def believed(window: Window | None, work: Work, server_cpus: int) -> float | None:
    """CPU seconds in it, and no more than so many CPUs can have given: what is above that is an error of the reading,
    which window_problems refuses where it is large."""
    if not window or work.cpu_seconds is None:
        return None
    return min(work.cpu_seconds, window.given(server_cpus))


def window_problems(watch: Watch, work: Work, server_cpus: int, load_ends: float) -> list[str]:
    """Why the CPU time says nothing; mostly there is nothing. `load_ends`, by the monotonic clock: the clients go on
    until then at least."""
    if not (window := watch.window):
        return [f"the server's CPU time was not read amid the load{''.join(f': {one}' for one in watch.problems[:1])}"]
    late = late_window(window.seconds, window.unsure, window.end.ended - load_ends)
    used, bearable = work.cpu_seconds or 0.0, window.given(server_cpus) + work.unsure
    found = [late, too_much_cpu(used, window.seconds, server_cpus, bearable), *watch.problems]
    return [*filter(None, found)]


STAYED = 1.05  # times a schedule's duration, from which on its client stayed for answers that came late, or never


def told_answers(watch: Watch, observed: Observed, cell: Cell, duration: float) -> float | None:
    """In the window, of a server that counts none: None stands for the clients' rate. At a constant rate clients may
    stay after the schedule: how many of their answers came then nobody knows, but when the server worked: in the window
    for such a part of them."""
    window, whole = watch.window, watch.whole
    stayed = cell.rate is not None and observed.client.seconds > STAYED * duration
    if not stayed or not window or not whole or whole.cpu_seconds <= 0:
        return None
    answers = observed.client.requests + observed.newcomers.served
    return answers * window.cpu_seconds / whole.cpu_seconds


@dataclass(frozen=True)
class CountedSwitches:
    """Context switches, and for how many answers; None: for those in the window."""

    count: Switches | None
    answers: float | None = None
    problem: str = ""


UNKNOWN_FATES = 0.02  # of all requests, for which it matters little whether the server worked for them


def counted_switches(watch: Watch, ended: Ended, observed: Observed, cell: Cell) -> CountedSwitches:
    """Of the live threads in the window; where some have ended, whose counts nobody told meanwhile, those of the whole
    life of the server, which it leaves at its end, by all that it answered: what was in hand when the clients left,
    one request (or batch) on each connection of a closed loop, is answered while it drains."""
    window, whole = watch.window, watch.whole
    if not window or not whole:
        return CountedSwitches(None, None, "the server could not be looked at")
    if window.switches:
        return CountedSwitches(window.switches)
    if not whole.begin.switches:
        return CountedSwitches(None, None, "nobody counts the context switches of a container")
    if not ended.switches:
        return CountedSwitches(None, None, "nobody counts the context switches of processes that have ended")
    client, newcomers = observed.client, observed.newcomers
    in_hand = client.connections * cell.pipeline if cell.rate is None else 0
    answers, unknown = (
        client.requests + newcomers.served + in_hand,
        unanswered(client) + newcomers.asked - newcomers.served,
    )
    if unknown > UNKNOWN_FATES * answers:
        reason = "processes have ended, and of many requests nobody knows whether the server worked for them"
        return CountedSwitches(None, None, reason)
    return CountedSwitches(ended.switches - whole.begin.switches, answers)


def unanswered(client: ClientSide) -> int:
    """Requests for which the server may or may not have worked, as far as the clients know."""
    return sum(client.errors.values()) if client.asked is None else client.asked - client.requests


def count_system_calls(bench: Bench, step: TrialStep) -> tuple[float | None, str]:
    """For each request, newcomers' included, or why there is none. Once more where other load disturbed it, because
    whoever runs on the server's CPUs is counted."""
    settings, sets = replace(bench.settings, duration=1), bench.settings.budgets[step.cell.cpus]
    for _ in range(1 + REPEATS_OF_A_STEP):
        try:
            count, disturbance = _count_system_calls(bench, settings, step, sets)
        except MeasurementError as error:  # costs the count, not the trial
            return None, str(error)
        if disturbance.worst <= DISTURBED:
            return count, ""
    tries = 1 + REPEATS_OF_A_STEP
    return None, f"others took {disturbance.worst:.0%} of a CPU, after {tries - 1} more runs still"


def _count_system_calls(bench: Bench, settings: Settings, step: TrialStep, sets: CpuSets) -> tuple[float, Disturbance]:
    """In a run of its own: perf makes each call dearer by some 50 ns. Raises MeasurementError."""
    with ExitStack() as opened:
        running = opened.enter_context(bench.start(server(settings, step, bench.directory / "root")))
        watch = opened.enter_context(watching(running, settings.contestant(step.contestant).ours))
        with syscalls.counted(sets.server, sets.load) as counter:
            observed = running.ask(clients.trial, settings, step, watch.look)
        ended = stop(running)
        disturbance = watch.disturbance(sets, clients_seconds(bench, observed), ended)
    answered = observed.client.requests + observed.newcomers.served
    if counter.count is None or answered == 0:
        raise MeasurementError(counter.problem or "no request was answered")
    return counter.count / answered, disturbance


def server(settings: Settings, step: TrialStep, root: Path | None = None) -> ServerPlan:
    """`root` is made where files are served; without one it is a dry run's, whose commands are pasted later. Nobody
    rotates connections: peers would not either."""
    cell, more = step.cell, []
    contestant = settings.contestant(cell.contestant)
    if contestant.takes_options and "--max-requests-per-connection" not in contestant.options:
        more += ["--max-requests-per-connection", "0"]
    if contestant.takes_options and settings.workload(cell.workload).path.startswith("/file/"):
        root = root or dry_run("root")
        root.mkdir(parents=True, exist_ok=True)
        (root / "16k").write_bytes(bytes(range(256)) * 64)
        more += ["--root", str(root)]
    workers = settings.workers or cell.connections + 2  # for newcomers and /stats; with fewer, some wait for ever
    return ServerPlan(contestant, settings.budgets[cell.cpus], workers, cell.connections, tuple(more))


def load(address: Address, settings: Settings, step: TrialStep) -> list[list[str]]:
    cpus, schedule = settings.budgets[step.cell.cpus].load, clients.newcomers(settings, step.cell)
    newcomers = pace.newcomer_command(settings.pace, address, cpus, schedule, settings.duration)
    return [clients.argv(address, settings, step), newcomers]


def _raw_name(step: TrialStep) -> str:
    """A name for a file, from any contestant's."""
    cell = step.cell
    loop = cell.client.removeprefix("quartet-") + ("" if cell.rate is None else f"-{cell.rate:g}")
    words = f"{step.round:02}-{cell.contestant}-{cell.workload}-c{cell.connections}-cpus{cell.cpus}-{loop}"
    return re.sub(r"[^\w.+-]", "_", words) + ".json"
