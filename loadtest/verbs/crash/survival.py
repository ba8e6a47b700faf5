"""Which of a server's processes have survived, and who brought service back. Pure."""

from loadtest.verbs.crash.results import DOCKER, NONE, PARENT, Processes, Recovery, Verdict

Identities = set[tuple[int, int]]  # of processes


def survivors(
    before: tuple[Identities, Identities], after: tuple[Identities, Identities], status: int | None
) -> Processes:
    """Each time from two looks: who is there in one of them alone lives for one request and does not count."""
    lasting = after[0] & after[1]
    there = before[0] & before[1]
    return Processes(len(there), len(there & lasting), len(lasting - before[0] - before[1]), status)


def brought_back_by(verdict: Verdict, recovery: Recovery, processes: Processes, keeper: str) -> str:
    """Who brought service back, where any of it was gone."""
    if recovery.back is None:
        return "nobody"
    if verdict.harm == NONE:
        return ""
    if keeper == DOCKER and not processes.kept:  # what it starts again is new as a whole
        return DOCKER
    if processes.new and processes.kept < processes.before:
        return PARENT if keeper == PARENT else "its parent"
    return "the fault ended" if recovery.back > 0 else ""
