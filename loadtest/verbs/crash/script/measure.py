"""One script, played to a server of its own: both sides of it, and what they say together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from loadtest.clients.pace import EXECUTABLE
from loadtest.contestants.contestants import loops
from loadtest.engine.measurement import Bench, Measurement
from loadtest.places.launch import ServerPlan
from loadtest.system.processes import Address, Server
from loadtest.system.scoreboard import Scoreboard
from loadtest.verbs.crash.attend import attend, harmable, keep_records, limited
from loadtest.verbs.crash.ledger import BACK, Ledger
from loadtest.verbs.crash.measure import misfortunes
from loadtest.verbs.crash.results import Processes
from loadtest.verbs.crash.script import clients, plan, report
from loadtest.verbs.crash.script.clients import look
from loadtest.verbs.crash.script.ledgers import Play
from loadtest.verbs.crash.script.plan import PlaySettings
from loadtest.verbs.crash.script.results import Effect, Played, PlayStep
from loadtest.verbs.crash.script.schedule import LEAST_AFTER
from loadtest.verbs.crash.survival import Identities, brought_back_by, survivors


@dataclass
class Watch:
    """The server's side."""

    server: Server
    scoreboard: Scoreboard
    processes: dict[str, Identities] = field(default_factory=dict)
    blamed: list[str] = field(default_factory=list)

    def look(self, moment: str) -> None:
        self.processes[moment] = self.server.processes()
        self.blamed = self.scoreboard.blamed()

    def close(self) -> None:
        """Nothing goes on that would have to be ended."""

    def account(self, index: int) -> Processes:
        """Around that fault."""
        before, after = ((self.processes[look(n, 0)], self.processes[look(n, 1)]) for n in (index, index + 1))
        return survivors(before, after, None)


def server(settings: PlaySettings, step: PlayStep) -> ServerPlan:
    return harmable(settings, step, limited(settings.limits))


def measure(bench: Bench, step: PlayStep) -> Played:
    """Raises MeasurementError."""
    settings: PlaySettings = bench.settings
    seen = attend(bench, server(settings, step), clients.play, step, Watch)
    keep_records(bench, step, "script", seen.found)
    play = Play(settings.script, seen.found.lanes, seen.found.records)
    ledgers = list(play.ledgers())
    bad_luck = list(
        misfortunes(ledgers[0], loops(settings.contestant_of(step), len(settings.cpus.server)), seen.disturbance)
    )
    bad_luck += too_slow(play.whole)
    return Played(
        step=step,
        server_command=seen.command,
        problems=[*problems(ledgers), *seen.found.problems, *seen.incidents, *bad_luck],
        disturbance=seen.disturbance,
        effects=list(effects(settings, step, ledgers, seen.watch)),
        asked=len(play.whole.others),
        harmed=play.harmed,
        strip=play.strip,
        blamed=seen.watch.blamed,
        server_status=seen.status,
        leftovers=seen.leftovers,
        unlucky=bool(bad_luck or seen.found.problems),
    )


def effects(settings: PlaySettings, step: PlayStep, ledgers: Sequence[Ledger], watch: Watch) -> Iterator[Effect]:
    down = False
    for index, (blow, ledger) in enumerate(zip(settings.script.blows, ledgers, strict=True)):
        processes, recovery = watch.account(index), ledger.recovery
        recovery.by = brought_back_by(ledger.verdict, recovery, processes, step.keeper)
        yield Effect(
            fault=blow.fault.name,
            at=blow.at,
            faulty=ledger.fates,
            verdict=ledger.verdict,
            expected=list(settings.expected(step, index)),
            others=ledger.account,
            recovery=recovery,
            processes=processes,
            already_down=down,
        )
        down = recovery.back is None


def problems(ledgers: Sequence[Ledger]) -> list[str]:
    """A fault that finds nobody to serve it is no problem after the first one: so it is."""
    first, *later = ledgers
    return first.problems + [refusal for ledger in (first, *later) for refusal in ledger.refusals]


def too_slow(whole: Ledger) -> Iterator[str]:
    """Where an answer may take about as long as a fault is watched, nobody knows whose harm it is."""
    if whole.late_from > LEAST_AFTER - BACK:
        yield f"before the first fault answers took so long that nobody is late before {whole.late_from:.2f} s"


def load(address: Address, settings: PlaySettings, step: PlayStep) -> list[list[str]]:
    return [clients.load_command(address, settings)]


def seconds(settings: PlaySettings, step: PlayStep) -> float:
    return settings.script.end + 0.5  # with start and drain, and what hangs


SCRIPT = Measurement(
    name="script",
    settings=PlaySettings,
    result=Played,
    steps=plan.steps,
    seconds=seconds,
    measure=measure,
    server=server,
    load=load,
    programs=(EXECUTABLE,),
    key=lambda step: (step.contestant, step.keeper),
    caveats=report.caveats,
)
