"""Executes trials, one after the other. Every trial has a server of its own, and every result is saved at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtest.contestants.contestants import gives
from loadtest.engine.run import Failure
from loadtest.places import launch
from loadtest.places.place import Place, Server
from loadtest.statistics.validity import DISTURBED
from loadtest.system import cpus, sockets, syscalls
from loadtest.system.errors import MeasurementError
from loadtest.system.memory import Memory
from loadtest.system.processes import Ended, describe_status
from loadtest.system.tree import Switches
from loadtest.verbs.load import clients, generators, validity
from loadtest.verbs.load.plan import Cell, Settings, TrialStep, describe, steps
from loadtest.verbs.load.results import Trial, TrialResults

# Trials that other load disturbed are repeated, so that a busy machine costs patience and not the afternoon.
REPEATS = 0.1  # of all trials
REPEATS_OF_A_TRIAL = 2

Store = Callable[[str, str], None]  # raw output, under a name


@dataclass
class TrialRunner:
    results: TrialResults
    place: Place
    directory: Path  # of the run: peers keep their files there
    save: Callable[[], None]
    store: Store
    progress: Callable[[TrialStep], None]  # before every trial
    _repeats_left: int = 0
    _failed: set[str] = field(default_factory=set)
    _printed: tuple[str, str] | None = None  # by the load generator of the last trial, with a name for it

    @property
    def _settings(self) -> Settings:
        return self.results.settings

    def run(self) -> None:
        """All that is not measured yet. A contestant that fails is left out from there on."""
        todo = remaining(self.results)
        self._repeats_left = max(2, int(REPEATS * len(todo)))
        for step in todo:
            if step.cell.contestant not in self._failed:
                self.progress(step)
                self._execute(step)
                self.save()
                if self._printed:  # after the result: a disk may have no room for both
                    self.store(*self._printed)
                    self._printed = None

    def _execute(self, step: TrialStep) -> None:
        try:
            self.results.trials.append(self._undisturbed(step))
        except MeasurementError as error:
            self._failed.add(step.cell.contestant)
            self.results.failures.append(Failure(step.cell.contestant, describe(step), str(error)))

    def _undisturbed(self, step: TrialStep) -> Trial:
        trial, repeats = self._measure(step), 0
        while self._is_worth_repeating(trial) and repeats < REPEATS_OF_A_TRIAL:
            trial, repeats = self._measure(step), repeats + 1
            self._repeats_left -= 1
        trial.repeats = repeats
        if not trial.problems and not self._is_counted(step.cell):
            trial.system_calls, trial.system_calls_problem = self._count(step)
        return trial

    def _is_counted(self, cell: Cell) -> bool:
        """Beside its first valid trial: an invalid one shows no number."""
        tried = [trial for trial in self.results.trials if trial.cell == cell]
        return any(trial.system_calls is not None or trial.system_calls_problem for trial in tried)

    def _count(self, step: TrialStep) -> tuple[float | None, str]:
        """System calls per request, newcomers' included, in a run of its own: perf makes each dearer by some 50 ns.
        What goes wrong here costs the count, not the trial."""
        try:
            return self._count_in_own_run(step)
        except MeasurementError as error:
            return None, str(error)

    def _count_in_own_run(self, step: TrialStep) -> tuple[float | None, str]:
        settings = replace(self._settings, duration=1)
        budget = settings.budgets[step.cell.cpus]
        with self._start(step.cell) as server:
            with syscalls.Counter(budget.server, budget.load) as counter:
                seen = server.ask(clients.trial, settings, step, lambda _: None)
            _stop(server)
        answered = generators.client_side(settings, step.cell, seen.finished).requests + seen.newcomers.served
        if counter.count is None or answered == 0:
            return None, counter.problem or "no request was answered"
        return counter.count / answered, ""

    def _is_worth_repeating(self, trial: Trial) -> bool:
        return trial.disturbance.worst > DISTURBED and self._repeats_left > 0

    def _measure(self, step: TrialStep) -> Trial:
        settings, cell = self._settings, step.cell
        budget = settings.budgets[cell.cpus]
        memories: list[Memory] = []
        with self._start(cell) as server:
            used, switches = server.cpu_seconds(), server.switches()
            seen = server.ask(clients.trial, settings, step, lambda _: memories.append(server.memory()))
            ended = _stop(server)
            words = server.last_lines()
            incidents = server.incidents()
        client = generators.client_side(settings, cell, seen.finished)
        self._printed = _raw_name(step), seen.finished.stdout
        consumed = _consumed(ended, used, words)
        trial = Trial(
            cell=cell,
            round=step.round,
            server_command=server.command,
            client=client,
            server_cpu_seconds=consumed,
            system_share=cpus.system_share(seen.before, seen.after, budget.server),
            switches=_difference(ended.switches, switches),
            system_calls=None,
            system_calls_problem="",
            clients_served=seen.clients_served,
            newcomers=seen.newcomers,
            memory=memories[0] if memories else None,
            disturbance=cpus.disturbance(seen.before, seen.after, budget, consumed, client.cpu_seconds),
        )
        trial.problems = [*validity.problems(trial), *_server_problems(ended, words), *incidents]
        if ports := sockets.port_problem(seen.sockets_before, seen.sockets_after, client.errors.get("connect", 0)):
            trial.problems.append(ports)
        return trial

    def _start(self, cell: Cell) -> Server:
        settings = self._settings
        return launch.start(
            self.place,
            settings.contestant(cell.contestant),
            self.directory,
            settings.budgets[cell.cpus],
            workers=settings.workers_for(cell),
            connections=cell.connections,
            more=more_options(settings, cell, self.directory / "root"),
        )


def remaining(results: TrialResults) -> list[TrialStep]:
    """The steps of which there is no trial yet."""
    done = {(trial.round, trial.cell) for trial in results.trials}
    return [step for step in steps(results.settings) if (step.round, step.cell) not in done]


def more_options(settings: Settings, cell: Cell, root: Path) -> list[str]:
    """Of all but peers. Nobody rotates connections: peers would not either."""
    contestant = settings.contestant(cell.contestant)
    if not contestant.takes_options:
        return []
    rotates = gives(contestant, "--max-requests-per-connection")
    root_option = ["--root", str(root)] if settings.workload(cell.workload).is_file else []
    return [*([] if rotates else ["--max-requests-per-connection", "0"]), *root_option]


def _stop(server: Server) -> Ended:
    return server.wait(0) if server.has_ended() else server.stop()


def _server_problems(ended: Ended, words: str) -> list[str]:
    return [] if ended.status == 0 else [f"the server {describe_status(ended.status)}{words}"]


def _consumed(ended: Ended, before: float, words: str) -> float:
    if ended.cpu_seconds is None:
        raise MeasurementError(f"under load the server {describe_status(ended.status)}{words}")
    return ended.cpu_seconds - before


def _difference(after: Switches | None, before: Switches | None) -> Switches | None:
    return after - before if after and before else None


def _raw_name(step: TrialStep) -> str:
    """A name for a file, from any contestant's."""
    cell = step.cell
    loop = "wrk" if cell.rate is None else f"pace-{cell.rate:g}"
    words = f"{step.round:02}-{cell.contestant}-{cell.workload}-c{cell.connections}-cpus{cell.cpus}-{loop}"
    return "".join(letter if letter.isalnum() or letter in "-.+" else "_" for letter in words) + ".json"
