"""What a fresh machine lacks for a run: Debian packages, and programs of ours that are not built. The command line has
been read by then, so that nobody waits for a build to be told of a wrong word."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.contestants.contestants import Kind
from loadtest.engine import environment
from loadtest.engine.measurement import MEASUREMENTS
from loadtest.engine.run import Exit, Part, Stop
from loadtest.system import ROOT, processes

ASKED = "LOADTEST_PROVIDE"  # in the environment, by loadtest/run and loadtest/quartet; nobody else wants packages
SETUP = ROOT / "loadtest/setup.sh"
# Ctrl-C reaches setup.sh too, which ends by itself. Its own words are on stderr: stdout is for results.
SCRIPT = 'trap \'exit 130\' INT TERM; source "$1"; quartet_provide "${@:2}" >&2'
PROGRAMS = "quartet-programs"  # the target of our servers, quartet-pace, and what README shows by hand


@dataclass(frozen=True)
class Needs:
    sets: tuple[str, ...]  # of packages, by setup.sh's names
    targets: tuple[str, ...]  # of CMake


def needs(parts: Sequence[Part], builds: bool) -> Needs:
    """Of a run on this machine; with servers that were built elsewhere nothing is built."""
    contestants = [one for part in parts for one in part.settings.contestants]
    instruments = any(MEASUREMENTS[part.measurement].instruments(part.settings) for part in parts)
    wanted = {
        "build": builds,
        "wrk": True,
        "instruments": instruments,
        "peers": any(one.kind == Kind.peer for one in contestants),
    }
    extra = {one.executable for one in contestants if not one.ours and not Path(one.executable).is_absolute()}
    targets = (PROGRAMS, *sorted(extra)) if builds else ()
    return Needs(tuple(name for name, is_wanted in wanted.items() if is_wanted), targets)


def provide(wanted: Needs) -> None:
    """Installs and builds, where that was asked for. Raises Stop, and KeyboardInterrupt when all has ended."""
    if ASKED not in os.environ:
        return
    arguments = [environment.program(), str(SETUP), *wanted.sets, "--", *wanted.targets]
    status = processes.attend(["bash", "-p", "-c", SCRIPT, *arguments])
    if status == Exit.interrupted:
        raise KeyboardInterrupt
    if status != 0:
        known = status in list(Exit)
        raise Stop(Exit(status) if known else Exit.failed, "" if known else f"{SETUP} ended with status {status}")
