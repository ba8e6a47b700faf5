"""What a fresh machine lacks for a run: Debian packages, and programs of ours that are not built. The command line has
been read by then, so that nobody waits for a build to be told of a wrong word."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.clients import wrk
from loadtest.contestants import peers
from loadtest.contestants.contestants import Kind, describer, is_sanitized
from loadtest.engine import environment
from loadtest.engine.measurement import MEASUREMENTS, Verb
from loadtest.engine.run import Exit, Part, Stop
from loadtest.system import ROOT, processes

ASKED = "LOADTEST_PROVIDE"  # in the environment, by loadtest/run and loadtest/quartet; nobody else wants packages
SETUP = ROOT / "loadtest/setup.sh"
# Ctrl-C reaches setup.sh too, which ends by itself. Its own words are on stderr: stdout is for results.
SCRIPT = """trap 'exit 130' INT TERM; source "$1"
{ quartet_require $2 && quartet_provide "${@:3}" && quartet_fetch_page; } >&2"""
UNKNOWN = 'source "$1"; for package in "${@:2}"; do [[ $(quartet_called "$package") ]] || echo "$package"; done'


@dataclass(frozen=True)
class Needs:
    sets: tuple[str, ...]  # of packages, by setup.sh's names
    targets: tuple[str, ...]  # of CMake
    packages: tuple[str, ...] = ()  # of peers; where a release lacks one, nothing is installed or built
    sanitized: tuple[str, ...] = ()  # targets of the preset asan


def needs(verb: Verb, parts: Sequence[Part], builds: bool) -> Needs:
    """Of a run on this machine; with servers that were built elsewhere nothing is built."""
    contestants = [one for part in parts for one in part.settings.contestants]
    measured = [(MEASUREMENTS[part.measurement], part.settings) for part in parts]
    used = {name for measurement, settings in measured for name in measurement.executables(settings)}
    foreign = {name for name in used if Path(name).is_absolute() or name == wrk.EXECUTABLE}
    wanted = {
        "build": builds,
        "wrk": wrk.EXECUTABLE in used,
        "instruments": any(measurement.instruments(settings) for measurement, settings in measured),
        "peers": any(one.kind == Kind.peer for one in contestants),
    }
    targets = {*verb.targets, *(used - foreign), *(describer(one).executable for one in contestants)}
    absent = {one.package for one in peers.PEERS if one.executable in foreign and not Path(one.executable).exists()}
    sets = tuple(name for name, is_wanted in wanted.items() if is_wanted)
    sanitized = {Path(name).name for name in foreign if is_sanitized(name)}
    built = [tuple(sorted(each)) if builds else () for each in (targets, sanitized)]
    return Needs(sets, built[0], tuple(sorted(absent)), built[1])


def not_to_be_had() -> set[str]:
    """Peers that are not installed, and that this release has no package of, by their names."""
    absent = [one for one in peers.PEERS if Path(one.executable).is_absolute() and not Path(one.executable).exists()]
    packages = sorted({one.package for one in absent})
    found = processes.run(["bash", "-p", "-c", UNKNOWN, "bash", str(SETUP), *packages], 10).stdout.split()
    return {one.name for one in absent if one.package in found}


def provide(wanted: Needs) -> None:
    """Installs and builds, where that was asked for. Raises Stop, and KeyboardInterrupt when all has ended."""
    if ASKED not in os.environ:
        return
    required = " ".join(wanted.packages)
    presets = {"release": wanted.targets, "asan": wanted.sanitized}
    builds = [word for name, targets in presets.items() if targets for word in ("--", name, *targets)]
    arguments = [environment.program(), str(SETUP), required, *wanted.sets, *builds]
    status = processes.attend(["bash", "-p", "-c", SCRIPT, *arguments])
    if status == Exit.interrupted:
        raise KeyboardInterrupt
    if status != 0:
        known = status in list(Exit)
        raise Stop(Exit(status) if known else Exit.failed, "" if known else f"{SETUP} ended with status {status}")
