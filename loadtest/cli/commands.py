"""The command line of loadtest/quartet, one verb for each question, and that of loadtest/run. How these programs begin
and end: Ctrl-C, standard streams that fail, usage errors; and what every verb that measures does with its options."""

import dataclasses
import inspect
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

import click
import typer
import typer.core

from loadtest.cli import options
from loadtest.cli.options import JSON, Chosen, Faults, Invocation, Keeper, Load, Tries, number, plain
from loadtest.contestants.contestants import Contestant, select
from loadtest.document import terminal
from loadtest.document.figures import listed
from loadtest.engine import environment, folder, pages, provision
from loadtest.engine.measurement import VERBS, Verb
from loadtest.engine.run import Exit, Part, Run, Stop, sentence
from loadtest.engine.runner import Session, commands, described
from loadtest.places import launch
from loadtest.places.containers import Containers
from loadtest.places.launch import Local, Place
from loadtest.system import ROOT, MeasurementError, output
from loadtest.system.cpus import CpuSets
from loadtest.verbs import registry  # noqa: F401  fills VERBS
from loadtest.verbs.compare import comparison
from loadtest.verbs.crash import catalogue
from loadtest.verbs.crash import listing as crash_listing
from loadtest.verbs.crash import plan as crash_plan
from loadtest.verbs.crash import triggers
from loadtest.verbs.crash.catalogue import Fault
from loadtest.verbs.crash.plan import CrashSettings
from loadtest.verbs.crash.script import plan as script_plan
from loadtest.verbs.crash.script import schedule as crash_script
from loadtest.verbs.crash.script.schedule import Script
from loadtest.verbs.doctor import doctor
from loadtest.verbs.list import listing
from loadtest.verbs.load import presets
from loadtest.verbs.load.plan import PACE, WRK, Settings, checked
from loadtest.verbs.load.verb import against_itself
from loadtest.verbs.memory import verb as memory_verb
from loadtest.verbs.memory.clients import LEVELS, IdleSettings
from loadtest.verbs.run import plan as run_plan
from loadtest.verbs.run.plan import Wanted
from loadtest.verbs.schedulers import kernel as scheduler_kernel
from loadtest.verbs.schedulers import plan as scheduler_plan
from loadtest.verbs.schedulers.plan import SchedulerSettings
from loadtest.verbs.sweep import plan as sweep_plan
from loadtest.verbs.sweep.plan import SweepSettings
from loadtest.verbs.tour import plan as tour_plan
from loadtest.verbs.walk.verb import WalkSettings

EXIT_STATUSES = """Exit status: 0 measured; 1 failed (a server did not start, drain or answer; the disk or stdout
took no more); 2 usage; 3 a gate was not met, or a regression; 4 measured, but some cell is
invalid, or compared, but with too few rounds to tell; 5 something is missing here (a package, a binary);
130 interrupted: what was measured is kept, and --resume DIR goes on."""


class Command(typer.core.TyperCommand):
    """Some versions of typer escape brackets for rich although they print without it."""

    def get_help(self, ctx: click.Context) -> str:
        return super().get_help(ctx).replace("\\[", "[")


app = typer.Typer(
    help="Measures web-server concurrency models beside each other, their bare servers and their peers.",
    epilog=EXIT_STATUSES,
    no_args_is_help=True,
    rich_markup_mode=None,
)


def run(main_job: bool = False) -> int:
    """loadtest/quartet, or loadtest/run. The exit status. What goes wrong is one sentence, where typer would draw a box
    around it, or Python a traceback below it."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # loadtest/run lets Python start undisturbed
        output.prepare()
        verbs = typer.main.get_group(app)
        program = verbs.commands["tour"] if main_job else verbs
        name, help_options = environment.program(), ["-h", "--help"]
        status = program.main(prog_name=name, standalone_mode=False, help_option_names=help_options) or Exit.ok
        output.show("")  # and what typer has printed
        return status
    except click.UsageError as error:
        return _end(Exit.usage, error.format_message())
    except Stop as error:
        return _end(error.status, str(error))
    except MeasurementError as error:  # a program that we need does not work
        return _end(Exit.environment, str(error))
    except (click.Abort, KeyboardInterrupt):  # Ctrl-C before anything was measured
        return Exit.interrupted
    except output.OutputError as error:
        return _end(Exit.failed, str(error))
    except OSError as error:  # of typer's help, or of a file
        return _end(Exit.failed, output.problem() or sentence(error))


def _end(status: Exit, why: str) -> Exit:
    if why:  # otherwise setup.sh has said it
        output.tell(f"{environment.program()}: {why}")
    return status


@contextmanager
def usage_errors() -> Iterator[None]:
    """Here a ValueError is the user's; anywhere else it is a fault of ours, with a traceback. Raises Stop."""
    try:
        yield
    except ValueError as error:
        raise Stop(Exit.usage, str(error)) from error


def measure(verb: Verb, invocation: Invocation, chosen: Callable[[], list[Part]]) -> Exit:
    """Goes on, or begins with the parts that `chosen` makes of the command line; it raises ValueError. Raises Stop or
    MeasurementError."""
    with usage_errors():
        going_on = folder.earlier(verb, invocation.resume, invocation.out)
        parts = going_on.parts if going_on else chosen()
        if not parts:  # it has shown something instead
            return Exit.ok
        in_docker = parts[0].settings.runner == "docker"
        _check_bin(in_docker, invocation.bin)
        for one in (contestant for part in parts for contestant in part.settings.contestants):
            if in_docker and not one.ours:
                raise ValueError(f"{one.name} is not in the images: peers and bare servers are for --runner local")
        if invocation.dry_run:  # of containers, too, it shows what the servers here would be given
            known = described(parts, Local(invocation.binaries, Path(os.devnull)))
            output.show("\n".join(commands(known, invocation.binaries)) + "\n")
            return Exit.ok
        directory = folder.claim(invocation.resume, invocation.out, verb.name)
    log = directory / "servers.log"
    place: Place = launch.here(invocation.binaries, log)
    needs = provision.needs(verb, parts, builds=not invocation.bin)
    if in_docker:  # whose images are built with all in them; what draws the page is fetched here
        place, needs = Containers(log), provision.Needs((), ())
    return Session(verb, parts, going_on, place, directory, invocation.json, needs).run()


def _check_bin(in_docker: bool, binaries: Optional[Path]) -> None:
    """Raises ValueError."""
    if in_docker and binaries:
        raise ValueError("--bin is for --runner local; Docker's image has servers of its own")


def measures(parts: Callable[..., list[Part]]) -> None:
    """Makes a command of a function that has its verb's name (or that and a _, where the name has another use here),
    and turns options into the parts of a run; it raises ValueError. A parameter whose type is a dataclass stands for
    the options that are its fields."""
    verb = parts.__name__.removesuffix("_")
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, one in inspect.signature(parts).parameters.items():
        if dataclasses.is_dataclass(one.annotation):
            groups[name] = one.annotation
            parameters += inspect.signature(groups[name]).parameters.values()
        else:
            parameters.append(one)

    def command(**given: Any) -> Exit:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in dataclasses.fields(group)})
        return measure(VERBS[verb], given["invocation"], lambda: parts(**given))

    command.__doc__ = parts.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    app.command(verb, cls=Command, epilog=EXIT_STATUSES)(command)


@measures
def tour(
    invocation: Invocation,
    smoke: bool = typer.Option(False, "--smoke", help="Everything once and short: does it all work?"),
    rounds: Optional[int] = plain(None, min=1, metavar="N", help="Interleaved rounds (9; 10 with --all)."),
    duration: str = options.DURATION,
    connections: int = number(16, "-c", "--connections", min=1, max=1000, help="Of each load."),
    only: str = plain("", metavar="NAME,...", help="These contestants; --all --dry-run lists them."),
    every_model: bool = options.ALL,
) -> list[Part]:
    """Measures what each concurrency model costs, and what it protects from, with wrk on this machine."""
    presets.refuse_both(every_model, only)
    everybody = tour_plan.EVERY_MODEL if every_model else tour_plan.CONTESTANTS
    usual = tour_plan.ROUNDS_OF_ALL if every_model else tour_plan.ROUNDS
    saturating = Settings(
        contestants=select(only.split(","), tour_plan.EVERY_MODEL) if only else everybody,
        workloads=tour_plan.SATURATING,
        budgets=options.budgets("1", ""),
        connections=(connections,),
        rounds=rounds or (1 if smoke else usual),
        duration=options.seconds(duration),
        counts_system_calls=False,
        **invocation.settings,
    )
    whole = tour_plan.parts(saturating)
    return tour_plan.smoke(whole) if smoke else whole


@measures
def run_(
    invocation: Invocation,
    preset: options.PresetName = typer.Option(
        options.PresetName.quick,
        "--preset",
        help="quick takes ten minutes, full an hour: with peers, bare servers, ASan.",
    ),
    smoke: bool = typer.Option(False, "--smoke", help="Everything once and short: does it all work?"),
    rounds: Optional[int] = plain(None, min=1, max=1000, metavar="N", help="Of every load, in place of the preset's."),
    only: str = plain("", metavar="NAME,...", help="These models."),
    every_model: bool = options.ALL,
) -> list[Part]:
    """All measurements, in one folder and on one page: which model, and why? (loadtest/run is the short tour.)"""
    _check_bin(invocation.runner == options.RunnerName.docker, invocation.bin)  # before it is told what is left out
    presets.refuse_both(every_model, only)
    usual, whole_preset = run_plan.PRESETS[preset.value], run_plan.with_every_model(run_plan.PRESETS[preset.value])
    chosen = whole_preset if every_model else usual
    models = select(only.split(","), whole_preset.contestants) if only else chosen.contestants
    in_image = invocation.runner == options.RunnerName.docker or bool(launch.contained())
    whole, left_out = run_plan.parts(
        Wanted(
            chosen,
            models,
            yardsticks=() if in_image or presets.YARDSTICK not in chosen.measures else _yardsticks(models),
            available=frozenset(os.sched_getaffinity(0)),
            rounds=rounds,
            builds=not invocation.bin,
            in_image=in_image,
            tries_machine=not invocation.dry_run,
            **invocation.settings,
        )
    )
    for why in left_out:
        output.tell(f"{environment.program()}: {why}")
    return run_plan.smoke(whole) if smoke else whole


def _yardsticks(models: Sequence[Contestant]) -> tuple[Contestant, ...]:
    return Chosen(",".join(one.name for one in models), [], [], False, presets.YARDSTICK).contestants


@measures
def throughput(
    chosen: Chosen,
    load: Load,
    invocation: Invocation,
    pipeline: int = number(1, min=1, max=1000, help="Requests sent at once."),
    rate: str = plain("", metavar="N,...", help="At these rates as well, for CPU per request."),
    arrivals: options.Arrivals = options.ARRIVALS,
    client: options.ClientName = typer.Option(options.ClientName.wrk, "--client", help="quartet-pace drives harder."),
) -> list[Part]:
    """How many requests a second, and what does each cost? With clients that ask again when they are answered."""
    rates = presets.YARDSTICK_RATES if chosen.preset else ()
    if rate:
        rates = options.numbers("--rate", rate, 1, 10_000_000)
    asking = WRK if client == options.ClientName.wrk else PACE
    more = {"rates": rates, "pipeline": pipeline, "client": asking, "arrivals": arrivals.value}
    return _under_load(chosen, _enough_rounds(chosen, load), invocation, **more)


@measures
def latency(
    chosen: Chosen,
    load: Load,
    invocation: Invocation,
    rate: str = typer.Option("1000", metavar="N,...", help="Requests a second, the same for everybody."),
    slo: list[str] = plain([], metavar="QUANTILE=TIME", help="A gate, such as p99=5ms; repeat it. Missed: exit 3."),
    arrivals: options.Arrivals = options.ARRIVALS,
    sweep: bool = typer.Option(False, "--sweep", help="Find the highest rate at which the one --slo is met."),
) -> list[Part]:
    """How long does a request take at a constant rate, counted from when it was due? By quartet-pace."""
    if sweep:
        return _sweep(chosen, load, invocation, slo)
    rates, gates = options.numbers("--rate", rate, 1, 10_000_000), tuple(map(presets.gate, slo))
    more = {"rates": rates, "closed": False, "gates": gates, "arrivals": arrivals.value}
    return _under_load(chosen, _enough_rounds(chosen, load), invocation, **more)


def _enough_rounds(chosen: Chosen, load: Load) -> Load:
    """To tell every model from every other one, unless it was told how many."""
    if not chosen.every_model or options.given("rounds"):
        return load
    return dataclasses.replace(load, rounds=presets.ROUNDS_OF_ALL)


def _sweep(chosen: Chosen, load: Load, invocation: Invocation, slo: list[str]) -> list[Part]:
    """Raises ValueError. It has a number of rounds and a length of its own, unless it was told."""
    if options.given("rate"):
        raise ValueError("--sweep finds the rate itself; it takes no --rate")
    if options.given("arrivals"):
        raise ValueError("--sweep asks at random times (Poisson); it takes no --arrivals")
    usual = {"rounds": sweep_plan.ROUNDS, "duration": sweep_plan.DURATION}
    load = dataclasses.replace(load, **{name: value for name, value in usual.items() if not options.given(name)})
    [part] = _under_load(chosen, load, invocation, gates=tuple(map(presets.gate, slo)), client=PACE)
    return [Part("sweep", sweep_plan.checked(SweepSettings(**vars(part.settings))))]


@measures
def aa(tries: Tries, invocation: Invocation) -> list[Part]:
    """Does the instrument see a difference where there is none? A contestant against itself, 20 times."""
    [once] = _under_load(Chosen(tries.only, [], [], False, ""), tries, invocation)
    return [dataclasses.replace(once, settings=against_itself(once.settings, tries.tries))]


def _under_load(chosen: Chosen, load: Load, invocation: Invocation, **more: Any) -> list[Part]:
    """Raises ValueError."""
    settings = Settings(
        contestants=chosen.contestants,
        workloads=presets.workloads(load.workload),
        budgets=options.budgets(load.cpus, load.pin),
        connections=options.numbers("--connections", load.connections, 1, 10000),
        keep_alive=not load.fresh,
        rounds=load.rounds,
        duration=options.seconds(load.duration),
        seed=load.seed,
        workers=load.workers,
        preset=chosen.preset,
        **invocation.settings,
        **more,
    )
    return [Part("load", checked(settings))]


@measures
def memory(
    chosen: Chosen,
    invocation: Invocation,
    connections: str = typer.Option(
        ",".join(map(str, LEVELS)), "-c", "--connections", metavar="N,...", help="Idle ones."
    ),
    ballast: int = typer.Option(0, min=0, max=100_000, metavar="MIB", help="Memory that ours have."),
    workers: int = number(1000, min=1, max=20_000, help="Of the largest pool tried: one for each connection."),
    rounds: int = number(3, min=1, max=1000, help="Interleaved."),
    pin: str = options.PIN,
    seed: int = options.SEED,
) -> list[Part]:
    """What does an idle connection cost, and for how long does a forked worker share its parent's memory?"""
    [cpus] = options.budgets("1", pin).values()
    settings = IdleSettings(
        contestants=chosen.contestants,
        cpus=cpus,
        levels=options.numbers("--connections", connections, 0, 100_000),
        rounds=rounds,
        seed=seed,
        ballast=ballast,
        most_workers=workers,
        **invocation.settings,
    )
    return memory_verb.parts(settings)


@measures
def schedulers(
    invocation: Invocation,
    only: str = plain("", metavar="NAME,...", help="These policies; --dry-run lists them."),
    load: int = typer.Option(70, min=10, max=90, metavar="PERCENT", help="That the server's CPU should work."),
    connections: int = number(128, "-c", "--connections", min=1, max=1000, help="Of short requests; as many of long."),
    duration: str = typer.Option("4s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds."),
    rounds: int = number(scheduler_plan.ROUNDS, min=1, max=1000, help="Interleaved; below 6 indicative."),
    pin: str = options.PIN,
    seed: int = options.SEED,
) -> list[Part]:
    """What does a scheduling policy do to short requests beside long ones? In user space (fibers), in the kernel
    (threads), and in a loop that has none."""
    cpus = _two_cpus(pin)
    contestants, absent = _policies(only, invocation)
    settings = SchedulerSettings(
        contestants=contestants,
        cpus=cpus,
        rounds=rounds,
        duration=options.seconds(duration),
        seed=seed,
        load=load / 100,
        connections=connections,
        absent=absent,
        turn=scheduler_kernel.turn(),
        **invocation.settings,
    )
    return [Part("schedulers", scheduler_plan.checked(settings))]


def _two_cpus(pin: str) -> CpuSets:
    """Raises Stop where there is one alone."""
    [cpus] = options.budgets("1", pin).values()
    if cpus.shared and not pin:
        raise Stop(Exit.environment, "schedulers takes two CPUs: one for the server, and one for its clients")
    return cpus


def _policies(only: str, invocation: Invocation) -> tuple[tuple[Contestant, ...], dict[str, str]]:
    """To measure, and those that cannot be had here, with the reason; a dry run tries nothing. Raises ValueError, and
    Stop where one was asked for by its name."""
    wanted = select(only.split(","), scheduler_plan.CONTESTANTS) if only else scheduler_plan.CONTESTANTS
    names = [] if invocation.dry_run else [one.name for one in wanted]
    absent = scheduler_kernel.refusals(names, invocation.runner.value)
    if only and absent:
        name, why = next(iter(absent.items()))
        raise Stop(Exit.environment, f"{name}: {why}")
    for name, why in absent.items():
        output.tell(f"{environment.program()}: {name} is left out: {why}")
    return tuple(one for one in wanted if one.name not in absent), absent


@measures
def walk(
    chosen: Chosen,
    invocation: Invocation,
    path: str = typer.Option("/plaintext", metavar="PATH", help="What is asked for."),
    pin: str = options.PIN,
) -> list[Part]:
    """Which system calls does one request make, in every model? By strace, with a client that is never in a hurry."""
    if not path.startswith("/"):
        raise ValueError(f"--path {path}: expected a path, such as /plaintext")
    if invocation.runner == options.RunnerName.docker:
        raise ValueError("strace does not look into containers; walk takes --runner local")
    [cpus] = options.budgets("1", pin).values()
    return [Part("walk", WalkSettings(chosen.contestants, cpus, path))]


@measures
def crash(
    invocation: Invocation,
    faults: Faults,
    keeper: Keeper,
    only: str = plain("", metavar="NAME,...", help="These: models, and coroutines-2, fibers-2 with two threads."),
    every_model: bool = options.ALL,
    repeat: int = number(1, min=1, max=1000, help="So many times each."),
    pin: str = options.PIN,
    list_faults: bool = typer.Option(False, "--list", help="The faults there are; with --fault, all about that one."),
) -> list[Part]:
    """Who gets hurt when a request crashes, hangs, leaks or corrupts? One fault at a time, under a steady load; or a
    script of them."""
    if list_faults:
        _list_faults(faults.fault, invocation.json)
        return []
    chosen = _chosen(faults, invocation)
    if faults.asan:
        _check_asan(faults, chosen, invocation)
    [cpus] = options.budgets("1", pin).values()
    presets.refuse_both(every_model, only)
    usual = crash_plan.COLUMNS if every_model else crash_plan.CLASSIC_COLUMNS
    contestants = select(only.split(","), crash_plan.COLUMNS) if only else usual
    common: dict[str, Any] = {"contestants": contestants, "cpus": cpus, "repeats": repeat, **invocation.settings}
    restarts = keeper.restarts(invocation.runner)
    if faults.script and restarts:
        raise ValueError(f"--script {faults.script}: Docker restarts no server of a script; give it without --restart")
    if faults.script:
        return _play(crash_script.read(faults.script), supervised=keeper.supervised, **common)
    settings = CrashSettings(
        faults=chosen,
        supervised=tuple(one.name for one in chosen) if keeper.supervised else (),
        alone=not keeper.supervised,
        **(crash_plan.RESTARTED if restarts else {}),
        asan=faults.asan,
        asks_wrk=not faults.matrix and not restarts,
        sessions=crash_plan.SESSIONS,
        **common,
    )
    _refuse_none(settings)
    return [Part("crash", settings)]


def _check_asan(faults: options.Faults, chosen: Sequence[Fault], invocation: Invocation) -> None:
    """Raises ValueError."""
    if faults.script:
        raise ValueError(f"--asan and --script {faults.script}: a script is played without AddressSanitizer")
    if invocation.bin:
        raise ValueError(
            "--asan and --bin: servers with AddressSanitizer are built here, to compare them with the others"
        )
    if invocation.runner == options.RunnerName.docker:
        raise ValueError("--asan is for --runner local: the images hold no servers with AddressSanitizer")
    if not any(one.expected_asan for one in chosen):
        there = ", ".join(one.name for one in catalogue.faults() if one.expected_asan)
        names = listed([one.name for one in chosen])
        raise ValueError(f"--asan: of {names} nothing is expected with AddressSanitizer; there are {there}")


def _refuse_none(settings: CrashSettings) -> None:
    """Raises ValueError where no fault can happen to anybody who was chosen."""
    if any(fault.applies_to(one.name) for fault in settings.faults for one in settings.contestants):
        return
    if not settings.faults:
        raise ValueError("no fault is left to try")
    fault, one = settings.faults[0], settings.contestants[0]
    raise ValueError(f"--fault {fault.name}: it cannot happen to {one.name}. {fault.why_not(one.name)}")


def _chosen(faults: Faults, invocation: Invocation) -> tuple[Fault, ...]:
    """Of the catalogue, where there is no script. Raises ValueError, and Stop where one cannot be tried here; a dry run
    does not ask this machine."""
    if faults.matrix and faults.fault:
        raise ValueError("--matrix has every fault; give it or --fault")
    if faults.script and (faults.matrix or faults.fault):
        raise ValueError(f"--script {faults.script}: it says which faults; give it without --fault and --matrix")
    if not (faults.matrix or faults.fault or faults.script):
        raise ValueError("give it a --fault, --matrix for all, or a --script; --list shows the faults")
    wanted = catalogue.faults() if faults.matrix else [catalogue.select(name) for name in faults.fault]
    chosen = {one.name: one for one in wanted}.values()
    refusal = triggers.misplaced if invocation.dry_run else triggers.refusal
    refused = {one.name: why for one in chosen if (why := refusal(one, invocation.runner.value))}
    if refused and not faults.matrix:
        raise Stop(Exit.environment, next(iter(refused.values())))
    for name, why in refused.items():
        output.tell(f"{environment.program()}: {triggers.left_out(name, why)}")
    return tuple(one for one in chosen if one.name not in refused)


def _play(script: Script, **common: Any) -> list[Part]:
    """Raises ValueError."""
    settings = script_plan.settings_of(script, **common)
    if not settings.played:
        raise ValueError(f"--script {script.name}: one of its faults cannot happen to {settings.contestants[0].name}")
    return [Part("script", settings)]


def _list_faults(names: list[str], as_json: bool) -> None:
    """All in short, or all about those. Raises ValueError."""
    entries = catalogue.entries()
    if as_json:
        wanted = {catalogue.select(name).id for name in names}
        return output.show(crash_listing.to_json([one for one in entries if not wanted or one.id in wanted]))
    for name in names:
        catalogue.select(name)
    output.show(terminal.render(crash_listing.document(entries, tuple(map(_listed_name, names)))))


def _listed_name(name: str) -> str:
    """A case of the catalogue; or a whole entry, also where the parameters are the user's own."""
    return name if name in {case.name for case in catalogue.faults()} and "?" in name else name.partition("?")[0]


@app.command("report", cls=Command, epilog=EXIT_STATUSES)
def show_again(
    directories: list[Path] = typer.Argument(..., metavar="DIR...", help="Results folders."),
    compare: bool = typer.Option(False, "--compare", help="Two folders side by side, on one page."),
    out: Optional[Path] = plain(None, metavar="FILE", help="One page, elsewhere than in its folder."),
    json: bool = JSON,
) -> Exit:
    """Shows again what runs have shown at their ends, and writes their pages."""
    with usage_errors():
        _check_folders(directories, compare, out, json)
        runs = [folder.load(one) for one in directories]
    provision.provide(provision.Needs((), ()))  # what draws the pages
    if compare:
        return _show_side_by_side(runs, list(map(str, directories)), out)
    failed = []
    for directory, run in zip(directories, runs):
        path = out or folder.home(directory) / pages.NAME
        failed += _told(pages.show(run, path, json), path)
    return _ended(failed)


def _check_folders(directories: Sequence[Path], compare: bool, out: Optional[Path], json: bool) -> None:
    """Raises ValueError."""
    homes = [folder.home(one).resolve() for one in directories]
    for one, home in zip(directories, homes):
        if homes.count(home) > 1:
            raise ValueError(f"{one} is there twice")
    if compare and len(directories) != 2:
        raise ValueError(
            f"--compare takes two folders, and there {'is one' if len(homes) == 1 else f'are {len(homes)}'}"
        )
    if compare and json:
        raise ValueError("report --compare makes a page; `compare A B --json` prints JSON")
    if out and not compare and len(directories) > 1:
        raise ValueError(f"--out {out}: this is one page, and there are {len(directories)} folders")
    if out:
        _check_page(out)


def _check_page(out: Path) -> None:
    """A page replaces an earlier one, and nothing else that it can be told from. Raises ValueError."""
    if {out.name, Path(os.path.realpath(out)).name} & {"results.json", "cells.csv"}:
        raise ValueError(f"--out {out}: this is the name of results; give the page another")
    if out.exists() and not out.is_file():
        raise ValueError(f"--out {out}: this is no regular file")


def _show_side_by_side(runs: Sequence[Run], names: Sequence[str], out: Optional[Path]) -> Exit:
    with usage_errors():
        (a, b), (before, after) = runs, names
        document = comparison.page(a, b, before, after)
    path = out or folder.new_directory("compare") / pages.NAME
    return _ended(_told(pages.show_document(document, path, lambda: terminal.render(document)), path))


def _told(failed: pages.Failures, path: Path) -> list[str]:
    """Where the page is; and why something was not made, in sentences."""
    if not {pages.REPORT, pages.PAGE} & failed.keys():
        output.tell(f"page: {path}")
    return [_why(error, path) for error in failed.values()]


def _why(error: Exception, path: Path) -> str:
    if isinstance(error, OSError):
        return f"cannot write {path}: {error.strerror}; choose another file with --out"
    return str(error)


def _ended(failed: Sequence[str]) -> Exit:
    """A stdout that is gone is told once."""
    for why in dict.fromkeys(failed):
        _end(Exit.failed, why)
    return Exit.failed if failed else Exit.ok


@app.command("compare", cls=Command, epilog=EXIT_STATUSES)
def compare(
    a: Path = typer.Argument(..., metavar="A", help="A results folder: before."),
    b: Path = typer.Argument(..., metavar="B", help="Another: after."),
    margin: float = number(0.0, min=0, max=100, metavar="PERCENT", help="Worse by less is no regression."),
    metric: str = plain(
        "",
        metavar="NAME,...",
        help="What is compared; `list` names them. By default goodput; latency p99 at a constant rate, if it is known.",
    ),
    json: bool = JSON,
) -> Exit:
    """What has changed between two runs? Exit 3 when something got worse, or is gone from B; 4 when there are too few
    rounds to tell anything, or too few where something has changed by more than a factor of two."""
    with usage_errors():
        metrics = metric.split(",") if metric else []
        found = comparison.compare(folder.load(a), folder.load(b), metrics, margin / 100)
        document = comparison.document(found, str(a), str(b))
        output.show(comparison.to_json(found) if json else terminal.render(document))
    return comparison.status(found)


@app.command("doctor", cls=Command)
def examine(json: bool = JSON, binaries: Optional[Path] = options.BIN) -> Exit:
    """What can be measured on this machine, what cannot, and what would help."""
    card = doctor.examine(binaries or options.BINARIES)
    output.show(doctor.to_json(card) if json else terminal.render(doctor.document(card)))
    return Exit.ok if card.usable else Exit.environment


@app.command("list", cls=Command)
def list_all(json: bool = JSON) -> None:
    """Who and what can be measured: contestants, workloads, metrics; results that are there."""
    binaries = options.BINARIES
    output.show(listing.to_json(binaries) if json else terminal.render(listing.document(binaries, ROOT / "results")))
