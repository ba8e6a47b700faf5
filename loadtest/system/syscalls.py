"""How many system calls are made on the server's CPUs, by perf(1), while something else measures.

The kernel's tracepoint raw_syscalls:sys_enter is counted on those CPUs, whoever runs there: a counter that belonged to
the server would be inherited by each child that it forks, and make forking dearer, in the one model that forks most.
Hence others who use these CPUs are counted too; and perf, which runs on the load's CPUs, is not.

Counting is not free: a call then takes some 50 ns more (a loop of getppid, Linux 6.18), which is 1 to 3 % of a small
request's CPU time. So rates are measured without it, and calls in a run of their own.
"""

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.system import MeasurementError, procfs
from loadtest.system.processes import Dialogue, ProcessError, pinned, run

EVENT = "raw_syscalls:sys_enter"
COUNT = ("perf", "stat", "--all-cpus", "--event", EVENT, "--field-separator", ",")
PATIENCE = 5.0  # seconds, for perf to start, to answer and to end
PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")


@dataclass
class Count:
    """Of system calls, once the block has ended; None when they could not be counted, and `problem` says why."""

    count: int | None = None
    problem: str = ""


@contextmanager
def counted(cpus: Sequence[int], own_cpus: Sequence[int]) -> Iterator[Count]:
    """The calls that are made on those CPUs during the block. Something that goes wrong here costs the count, not what
    is measured meanwhile."""
    found = Count()
    with ExitStack() as undo:
        try:
            if set(cpus) & set(own_cpus):
                raise MeasurementError("the load makes system calls on the same CPU")
            perf = undo.enter_context(waiting_perf(cpus, own_cpus))
            order(perf, "enable")
        except (MeasurementError, OSError) as error:
            undo.close()
            found.problem = str(error)
        yield found
        if not found.problem:
            try:
                order(perf, "disable")
                found.count = parse(perf.end(signal.SIGINT, PATIENCE).stderr)
            except (MeasurementError, OSError) as error:
                found.problem = str(error)


def waiting_perf(cpus: Sequence[int], own_cpus: Sequence[int]) -> Dialogue:
    """Counts nothing until it is told to (perf-stat(1), --control)."""
    command = [*COUNT, "--cpu", ",".join(map(str, cpus)), "--delay", "-1", "--control", "fd:0,1"]
    return Dialogue(pinned(own_cpus, command))


def order(perf: Dialogue, what: str) -> None:
    """Returns when it is done. Raises ProcessError."""
    perf.say(what)
    try:
        perf.hear(PATIENCE)  # "ack"
    except ProcessError as error:
        raise ProcessError(explain(perf.stderr)) from error


def parse(output: str) -> int:
    """From the lines of perf stat -x,: value,unit,event,nanoseconds,share of the time,... Raises MeasurementError when
    it was not counted all the time."""
    lines = [line for line in output.splitlines() if EVENT in line]  # without perf's chatter
    for line in lines:
        value, _, event, _, share, *_ = [*line.split(","), *[""] * 5]
        if event == EVENT and value.isdigit() and float(share or 0) == 100:
            return int(value)
    raise MeasurementError(f"perf counted no system calls: {' '.join(lines)[-120:]!r}")


def available() -> str:
    """ "" when system calls can be counted here, else one sentence with the fix. Tries it, for a moment."""
    if not shutil.which("perf"):
        return "perf is not installed; apt-get install linux-perf"
    command = [*COUNT, "--cpu", str(max(os.sched_getaffinity(0))), "--", "true"]
    try:
        stderr = run(command, PATIENCE, good=range(256)).stderr
        parse(stderr)
        return ""
    except ProcessError as error:
        return f"perf does not work here: {error}"
    except MeasurementError:
        return explain(stderr)


# with our group, for the mode is the directories' only: the files are their owner's and group's to read
MOUNT = "mount -t tracefs -o mode=755,gid=$(id -g) none /sys/kernel/tracing"
REMOUNT = "mount -o remount,mode=755,gid=$(id -g) /sys/kernel/tracing"
ALLOW = "sysctl kernel.perf_event_paranoid=-1"


def explain(stderr: str) -> str:
    """What to do about a perf that does not count."""
    paranoid = procfs.number(PARANOID)
    limited = paranoid is None or paranoid > -1  # unknown: the kernel's default is 2
    if "not found for kernel" in stderr:  # Ubuntu's wrapper
        return "perf is there for another kernel; apt-get install linux-tools-$(uname -r)"
    if "Unable to find debugfs/tracefs" in stderr:
        return f"the kernel's tracepoints are not mounted; sudo {MOUNT}"
    if "No permissions to read" in stderr:
        fix = f"{REMOUNT}; sudo {ALLOW}" if limited else REMOUNT
        return f"the kernel's tracepoints are root's to read; sudo {fix}"
    if limited and os.geteuid() != 0:
        return f"perf may not count what all processes do; sudo {ALLOW}"
    if "not permitted" in stderr.lower() or "no permission" in stderr.lower():
        return "perf may not count here; in a container, start that with docker run --cap-add PERFMON"
    return f"perf does not count {EVENT}: {' '.join(stderr.split()[:20]) or 'it said nothing'}"
