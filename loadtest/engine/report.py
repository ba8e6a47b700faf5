"""What stands around the answers of every verb: the machine, what limits the trust, the method, how it ended. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from loadtest.contestants.contestants import MODELS
from loadtest.document.document import Document, Look, Plot, drawable
from loadtest.document.figures import plural
from loadtest.engine import caveats, method
from loadtest.engine.measurement import VERBS
from loadtest.engine.run import Environment, Run
from loadtest.system.cpus import CpuSets


def document(run: Run) -> Document:
    """A figure from a container says so: none stands beside a native one."""
    verb, environment = VERBS[run.verb], run.environment
    above = (
        f"{_cpu(environment)}: {describe_sets(run.parts[0].settings.cpus)}; "
        f"Linux {environment.kernel}, {environment.system}; load average {environment.load_average:.1f} at the start."
    )
    head, sections = [above, *_interrupts(environment), *verb.head(run)], verb.sections(run)
    if environment.runner != "local":
        place = f"IN DOCKER: {environment.place}. Compare these figures with each other, never with native ones."
        head.insert(1, place)
        sections = [replace(one, title=f"{one.title} [{environment.runner}]") for one in sections]
    return Document(
        head,
        [replace(one, plots=[*map(_drawable, one.plots)]) for one in sections],
        list(caveats.closing(run)),
        verb.words(run),
        title=verb.title or f"quartet {run.verb}",
        subtitle=_subtitle(environment),
        caveats=caveats.caveats(run),
        machine=_card(run),
        commands=method.commands(run),
        method=method.method(run),
        looks=looks(run),
        watched=any(result.disturbance for result in run.results),
    )


def _drawable(plot: Plot) -> Plot:
    return replace(plot, marks=[*map(drawable, plot.marks)])


def looks(run: Run) -> dict[str, Look]:
    """A model's colour goes by its place among all models, so that it is the same in every run."""
    places = {model.name: place for place, model in enumerate(MODELS)}
    everybody = [one for part in run.parts for one in part.settings.contestants]
    return {one.name: Look(places.get(one.model or one.name, len(places)), one.kind.value) for one in everybody}


def _interrupts(environment: Environment) -> list[str]:
    if environment.irq_time != "yes":
        return []
    return [
        "INTERRUPT TIME: this kernel keeps it out of processes' CPU time, so that CPU time per request leaves out what "
        "interrupts do for it, such as receiving packets."
    ]


def _cpu(environment: Environment) -> str:
    return f"{environment.cpu_model}{' (virtual)' if environment.virtual else ''}, {plural(environment.cpus, 'CPU')}"


def _subtitle(environment: Environment) -> str:
    return f"{_started(environment)}; {_cpu(environment)}; commit {environment.commit}"


def _started(environment: Environment) -> str:
    """Without seconds and time zone: 2024-01-01 12:00."""
    return environment.started[:16].replace("T", " ")


def _card(run: Run) -> list[tuple[str, str]]:
    return [(name, value) for name, value in _facts(run) if value]


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    environment = run.environment
    yield "CPU", _cpu(environment)
    yield "CPUs in use", "; ".join(dict.fromkeys(describe_sets(one) for one in run.cpu_sets))
    yield "Memory", f"{environment.memory_bytes / 2**30:.1f} GiB"
    yield "Kernel", f"Linux {environment.kernel}"
    yield "System", environment.system
    yield "Interrupt time", IRQ_TIME.get(environment.irq_time, "")
    yield "Load average", f"{environment.load_average:.1f} at the start"
    yield "Ran", "natively" if environment.runner == "local" else environment.place or environment.runner
    yield "Commit", environment.commit.replace("+", ", with changes that are in no commit")
    for names, version in _versions(environment.versions).items():
        yield names, version
    yield "Started", environment.started.replace("T", " ")
    yield "Took", f"{run.seconds:.0f} s"


IRQ_TIME = {
    "yes": "not in the CPU time of processes",
    "no": "in the CPU time of the process that was interrupted",
    "cannot be told": "whether it is in the CPU time of processes cannot be told",
}


def _versions(of: dict[str, str]) -> dict[str, str]:
    """Programs of the same version together. A program may have told its name, too."""
    found: dict[str, list[str]] = {}
    for name, told in of.items():
        found.setdefault(told.removeprefix(f"{name.split()[0]} "), []).append(name)
    return {", ".join(names): version for version, names in found.items()}


def describe_sets(sets: CpuSets) -> str:
    if sets.server == sets.load:
        return "server and load share it"
    shared = ", which they share" if sets.shared else ""
    return f"server on CPU {_list(sets.server)}, load on CPU {_list(sets.load)}{shared}"


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
