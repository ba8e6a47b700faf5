"""Who can be measured and what is asked for, as data: models, variants, bare servers, workloads."""

import json
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Self

from loadtest.system import ROOT, MeasurementError

ASAN = ROOT / "build/asan/bin"  # servers with AddressSanitizer


@dataclass(frozen=True)
class Facts:
    """What a server says about a mode of it: `quartet-X --describe` is the one place where a model's facts stand."""

    mode: str  # "prefork"; "" where there is one mode
    worker: str  # process or thread
    one_client_per_worker: bool  # until it leaves; otherwise clients share a loop
    many_workers: bool  # --workers may be more than 1
    has_parent: bool  # a process that outlives its workers
    hands_over: bool = False  # one loop has all clients, and workers run what may block; unknown before format 7.4
    work_stealing: bool = False  # any worker that is free goes on with any client; unknown before format 7.5

    @property
    def pool(self) -> bool:
        """--workers bounds the clients that are served at a time."""
        return self.one_client_per_worker and self.many_workers

    @property
    def many_loops(self) -> bool:
        return self.many_workers and not self.one_client_per_worker and not self.hands_over


class Kind(str, Enum):
    model = "model"
    variant = "variant"  # one of our servers with options of the user's choice
    bare = "bare"  # a model around a canned answer, without HTTP: loadtest/bare
    peer = "peer"  # a production server of the same kind: loadtest/peers


@dataclass(frozen=True)
class Contestant:
    """One server with its command line."""

    name: str
    executable: str
    arguments: tuple[str, ...] = ()
    facts: Facts | None = None  # of its model; None until a server has been asked: described()
    ballast: int = 0  # MiB of touched memory that the server's parent holds
    kind: Kind = Kind.model
    model: str = ""  # of a bare server or a peer the one that it is compared with, of a variant its own
    paths: tuple[str, ...] = ()  # that it serves; none given: all of ours

    @property
    def known(self) -> Facts:
        assert self.facts, f"nobody has asked for the facts of {self.name}"
        return self.facts

    @property
    def mode(self) -> str:
        """That its command line chooses; "" for the default."""
        return self.options.get("--mode", "")

    @property
    def options(self) -> dict[str, str]:
        """Names and values on its own command line, however they are joined."""
        found: dict[str, str] = {}
        for word, following in zip(self.arguments, [*self.arguments[1:], ""]):
            name, equals, value = word.partition("=")
            found[name] = value if equals else following
        return found

    @property
    def ours(self) -> bool:
        """It has our routes, /stats among them."""
        return self.kind in (Kind.model, Kind.variant)

    @property
    def takes_options(self) -> bool:
        """It has the options of our servers."""
        return self.kind != Kind.peer

    def supervised(self) -> Self:
        return replace(self, name=f"{self.name} +parent", arguments=(*self.arguments, "--supervise"))

    def sanitized(self) -> Self:
        """Of the build with AddressSanitizer, wherever the others are."""
        return replace(self, name=f"{self.name} +asan", executable=str(ASAN / self.executable))

    def restarted(self) -> Self:
        """By the place that it runs in."""
        return replace(self, name=f"{self.name} +restart")


def is_sanitized(executable: str) -> bool:
    return Path(executable).parent == ASAN


CLASSIC = (  # the pure forms, which are measured unless others are asked for
    Contestant("fork-per-request", "quartet-fork", ("--mode", "per-request")),
    Contestant("fork-per-connection", "quartet-fork", ("--mode", "per-connection")),
    Contestant("prefork", "quartet-fork", ("--mode", "prefork")),
    Contestant("threads", "quartet-threads"),
    Contestant("coroutines", "quartet-coroutines"),
    Contestant("epoll", "quartet-epoll"),
)
COMBINED = (  # what production servers and language runtimes make of them; --all
    Contestant("multiprocess", "quartet-multiprocess"),
    Contestant("helpers", "quartet-helpers"),
    Contestant("fibers", "quartet-fibers"),
)
MODELS = (*CLASSIC, *COMBINED)
BARE = tuple(
    Contestant(
        f"bare-{model.name}",
        model.executable.replace("quartet-", "bare-"),
        model.arguments,
        kind=Kind.bare,
        model=model.name,
        paths=("/plaintext",),
    )
    for model in MODELS
)


@dataclass(frozen=True)
class Workload:
    """What every request asks for."""

    name: str
    path: str
    needs: str = ""  # of the machine or the server, for the list of workloads


WORKLOADS = (
    Workload("plaintext", "/plaintext", "13 bytes, from memory"),
    Workload("json", "/json", "a small object, serialized"),
    Workload("bytes", "/bytes?n=16384", "16 KiB from memory"),
    Workload("file", "/file/16k", "16 KiB from a file, by sendfile"),
    Workload("cpu", "/cpu?units=100", "100 units of work; CPU us tells how long they take here"),
    Workload("sleep", "/sleep?ms=10", "a delay: nothing to do meanwhile"),
)


def select(names: Iterable[str], among: Sequence[Contestant]) -> tuple[Contestant, ...]:
    """The contestants of those names, in the usual order. Raises ValueError with the names there are."""
    wanted, known = list(names), [contestant.name for contestant in among]
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"there is no contestant {unknown[0]!r}; there are {', '.join(known)}")
    return tuple(contestant for contestant in among if contestant.name in wanted)


def variant(command: str) -> Contestant:
    """One of our servers with more options, as in 'quartet-epoll --workers 1'. Raises ValueError."""
    try:
        executable, *arguments = shlex.split(command) or [""]
    except ValueError as error:
        raise ValueError(f"--variant {command!r} is not a command line: {error}") from error
    servers = sorted({model.executable for model in MODELS})
    if executable not in servers:
        raise ValueError(f"--variant {command!r} starts with none of {', '.join(servers)}")
    if "--listen" in arguments:
        raise ValueError(f"--variant {command!r}: --listen is ours to choose")
    return Contestant(command, executable, tuple(arguments), kind=Kind.variant)


def modes(executable: str, describe: Callable[[str], str]) -> tuple[Facts, ...]:
    """Of a server, the default first; `describe` tells what it prints for --describe. Raises MeasurementError."""
    printed = describe(executable)
    keys = ("name", "worker", "one_client_per_worker", "many_workers", "has_parent", "hands_over", "work_stealing")
    try:
        default, *others = json.loads(printed)["modes"]
        return tuple(Facts(*(mode[key] for key in keys)) for mode in (default, *others))
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise MeasurementError(f"{executable} --describe prints nothing that this harness knows: {reason}") from error


def describer(one: Contestant) -> Contestant:
    """Who knows its facts: itself, or the model that a limit, or a peer, is compared with."""
    return one if one.ours else select([one.model], MODELS)[0]


def described(chosen: Iterable[Contestant], describe: Callable[[str], str]) -> tuple[Contestant, ...]:
    """With the facts of their models, for which each server is asked once. Raises MeasurementError."""
    ask = cache(lambda executable: modes(executable, describe))

    def complete(one: Contestant) -> Contestant:
        server = describer(one)
        there = ask(server.executable)
        # a mode that there is not is the server's to refuse
        found = next((facts for facts in there if facts.mode == server.mode), there[0])
        if one.kind != Kind.variant:
            return replace(one, facts=found)
        models = [model.name for model in MODELS if (model.executable, model.mode) == (one.executable, found.mode)]
        return replace(one, facts=found, model=models[0] if models else "")

    return tuple(one if one.facts else complete(one) for one in chosen)


def loops(contestant: Contestant, cpus: int) -> int:
    """Each with clients of its own, with the command line below; 1 where each client has a worker, or any of them."""
    facts = contestant.known
    return int(contestant.options.get("--workers", cpus)) if facts.many_loops and not facts.work_stealing else 1


def command_line(contestant: Contestant, workers: int, cpus: int, more: Sequence[str] = ()) -> list[str]:
    """Of all but peers: so many workers for a pool, and for loops that can have several, one on each CPU. Without
    --workers there is one loop where loops are threads, and two where they are processes."""
    arguments = [contestant.executable, *contestant.arguments, "--listen", "127.0.0.1:0"]
    if "--workers" not in contestant.options:
        if contestant.known.pool:
            arguments += ["--workers", str(workers)]
        elif contestant.known.many_loops and (cpus > 1 or contestant.known.has_parent):
            arguments += ["--workers", str(cpus)]
    if contestant.ballast:
        arguments += ["--ballast", str(contestant.ballast)]
    return [*arguments, *more]
