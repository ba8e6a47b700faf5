"""The kernel's own policies: which of them a thread may have here, and how long a turn is."""

from collections.abc import Collection

from loadtest.system import procfs
from loadtest.system.processes import ProcessError, run
from loadtest.verbs.schedulers.plan import KERNEL, KERNEL_NAMES, TURN

TRYING = 5.0  # seconds, for chrt


def refusals(names: Collection[str], runner: str) -> dict[str, str]:
    """Of these contestants those that cannot be had here, and why, half a sentence each: a kernel's policy is tried on
    a program that does nothing."""
    found = {name: _refusal(KERNEL[name], KERNEL_NAMES[name], runner) for name in names if name in KERNEL}
    return {name: why for name, why in found.items() if why}


def _refusal(command: tuple[str, ...], policy: str, runner: str) -> str:
    if runner != "local":
        return f"a container may not ask for {policy} (CAP_SYS_NICE)"
    try:
        run([*command, "true"], TRYING)
    except ProcessError as error:
        return f"{policy} is refused here: {error}"
    return ""


def turn() -> int | None:
    """Milliseconds of SCHED_RR."""
    return procfs.number(TURN)
