"""The verbs throughput, latency and aa: cells under load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Optional

import typer

from loadtest import output
from loadtest.places.containers import Containers
from loadtest.places.local import Local
from loadtest.places.place import Place
from loadtest.session import Exit, Session, claim
from loadtest.trial import report_trials, trial_validity
from loadtest.trial.measured import TrialResults
from loadtest.trial.trials import Settings, cells
from loadtest.verbs import aa, gates, options, presets, trial_commands
from loadtest.verbs.options import (
    BIN,
    BINARIES,
    CONNECTIONS,
    CPUS,
    DRY_RUN,
    DURATION,
    JSON,
    ONLY,
    OUT,
    PEER,
    PIN,
    PRESET,
    RESUME,
    ROUNDS,
    RUNNER,
    SEED,
    VARIANT,
    WORKERS,
    WORKLOAD,
    RunnerName,
)


def throughput(
    only: str = ONLY,
    peer: list[str] = PEER,
    variant: list[str] = VARIANT,
    preset: str = PRESET,
    workload: str = WORKLOAD,
    connections: str = CONNECTIONS,
    fresh: bool = typer.Option(False, "--fresh", help="A connection for each request: no keep-alive."),
    pipeline: int = typer.Option(1, "--pipeline", min=1, max=1000, metavar="N", help="Requests sent at once."),
    rate: str = typer.Option(
        "", "--rate", metavar="N,...", show_default=False, help="At these rates as well, for CPU per request."
    ),
    duration: str = DURATION,
    rounds: int = ROUNDS,
    workers: Optional[int] = WORKERS,
    cpus: str = CPUS,
    pin: str = PIN,
    seed: int = SEED,
    runner: RunnerName = RUNNER,
    out: Optional[Path] = OUT,
    json: bool = JSON,
    dry_run: bool = DRY_RUN,
    resume: Optional[Path] = RESUME,
    binaries: Optional[Path] = BIN,
) -> None:
    """How many requests a second, and what does each cost? By wrk: clients that ask again when they are answered."""

    def chosen() -> Settings:
        return Settings(
            contestants=presets.contestants(preset, only, peer, variant),
            workloads=presets.workloads(workload),
            budgets=options.budgets(cpus, pin),
            connections=options.numbers("--connections", connections, 1, 10000),
            rates=options.rates(rate) if rate else presets.rates(preset),
            keep_alive=not fresh,
            pipeline=pipeline,
            rounds=rounds,
            duration=options.seconds(duration),
            seed=seed,
            workers=workers,
            preset=preset,
            runner=runner.value,
            pace=options.pace(runner, binaries),
        )

    _trials("throughput", chosen, out, resume, json, dry_run, binaries)


def latency(
    rate: str = typer.Option("1000", "--rate", metavar="N,...", help="Requests a second, the same for everybody."),
    slo: list[str] = typer.Option(
        [],
        "--slo",
        metavar="QUANTILE=TIME",
        show_default=False,
        help="A gate, such as p99=5ms; repeat it. Missed: exit 3.",
    ),
    only: str = ONLY,
    peer: list[str] = PEER,
    variant: list[str] = VARIANT,
    preset: str = PRESET,
    workload: str = WORKLOAD,
    connections: str = CONNECTIONS,
    fresh: bool = typer.Option(False, "--fresh", help="A connection for each request: no keep-alive."),
    duration: str = DURATION,
    rounds: int = ROUNDS,
    workers: Optional[int] = WORKERS,
    cpus: str = CPUS,
    pin: str = PIN,
    seed: int = SEED,
    runner: RunnerName = RUNNER,
    out: Optional[Path] = OUT,
    json: bool = JSON,
    dry_run: bool = DRY_RUN,
    resume: Optional[Path] = RESUME,
    binaries: Optional[Path] = BIN,
) -> None:
    """How long does a request take at a constant rate, counted from when it was due? By quartet-pace."""

    def chosen() -> Settings:
        return Settings(
            contestants=presets.contestants(preset, only, peer, variant),
            workloads=presets.workloads(workload),
            budgets=options.budgets(cpus, pin),
            connections=options.numbers("--connections", connections, 1, 10000),
            rates=options.rates(rate),
            closed=False,
            keep_alive=not fresh,
            rounds=rounds,
            duration=options.seconds(duration),
            seed=seed,
            workers=workers,
            preset=preset,
            runner=runner.value,
            pace=options.pace(runner, binaries),
            gates=tuple(map(gates.parse, slo)),
        )

    _trials("latency", chosen, out, resume, json, dry_run, binaries)


def against_itself(
    only: str = typer.Option("epoll", metavar="NAME", help="The contestant."),
    tries: int = typer.Option(20, "--tries", min=20, max=1000, metavar="N", help="Each of --rounds rounds."),
    workload: str = WORKLOAD,
    connections: str = CONNECTIONS,
    duration: str = typer.Option("1s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds."),
    rounds: int = typer.Option(6, "--rounds", min=6, max=1000, metavar="N", help="Of each try."),
    pin: str = PIN,
    seed: int = SEED,
    runner: RunnerName = RUNNER,
    out: Optional[Path] = OUT,
    json: bool = JSON,
    dry_run: bool = DRY_RUN,
    resume: Optional[Path] = RESUME,
    binaries: Optional[Path] = BIN,
) -> None:
    """Does the instrument see a difference where there is none? A contestant against itself, 20 times."""

    def chosen() -> Settings:
        return aa.settings(
            presets.contestants("", only, [], []),
            tries=tries,
            rounds=rounds,
            workloads=presets.workloads(workload),
            budgets=options.budgets("1", pin),
            connections=options.numbers("--connections", connections, 1, 10000),
            duration=options.seconds(duration),
            seed=seed,
            runner=runner.value,
            pace=options.pace(runner, binaries),
        )

    _trials("aa", chosen, out, resume, json, dry_run, binaries)


# --- what they share


def _trials(
    verb: str,
    chosen: Callable[[], Settings],
    out: Path | None,
    resume: Path | None,
    as_json: bool,
    dry_run: bool,
    binaries: Path | None,
) -> None:
    with options.stopping():
        earlier = options.earlier(TrialResults, verb, resume, out)
        settings = earlier.settings if earlier else chosen()
        _refuse(settings, binaries)
        if dry_run:
            here = binaries or BINARIES
            output.show("\n".join(trial_commands.lines(options.for_dry_run(settings, here), here)) + "\n")
            raise typer.Exit(Exit.ok)
        directory = claim(resume, out, verb)
        place = _place(settings.runner, binaries or BINARIES, directory / "servers.log")
    options.finish(_session(verb, settings, earlier, place, directory, as_json))


def _session(
    verb: str, settings: Settings, earlier: TrialResults | None, place: Place, directory: Path, as_json: bool
) -> Session[TrialResults]:
    return Session(
        place=place,
        directory=directory,
        executables=trial_commands.executables(settings),
        load_cpus=next(iter(settings.budgets.values())).load,
        begin=lambda stamp: trial_commands.begin(verb, settings, earlier, stamp, place),
        execute=lambda found, save: trial_commands.execute(found, place, directory, save),
        render=aa.render if verb == "aa" else report_trials.render,
        status=aa.status if verb == "aa" else status,
        as_json=as_json,
    )


def status(found: TrialResults) -> Exit:
    """A failure says more than a missed gate, and that more than a cell without a number."""
    if found.failures:
        return Exit.failed
    if gates.breaches(found):
        return Exit.gate
    return Exit.invalid if trial_validity.has_invalid_cell(found) else Exit.ok


def _refuse(settings: Settings, binaries: Path | None) -> None:
    """What cannot be done, before anything is started."""
    options.refuse_places(settings.runner, settings.contestants, binaries)
    if settings.pipeline > 1 and not settings.keep_alive:
        raise ValueError("--pipeline takes kept connections, not --fresh ones")
    if len({one.name for one in settings.contestants}) < len(settings.contestants):
        raise ValueError("a contestant is there twice")
    if not cells(settings):
        raise ValueError(f"none of these contestants serves {', '.join(one.path for one in settings.workloads)}")


def _place(runner: str, binaries: Path, log: Path) -> Place:
    return Containers(log) if runner == "docker" else Local(binaries, log)
