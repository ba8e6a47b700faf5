"""Which system calls belong to a request, of all that strace saw, and what most requests have in common. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count, pairwise

from loadtest.system import MeasurementError
from loadtest.verbs.walk.strace import Event

QUIET = 0.01  # seconds without a call, after the answer: the request is over

# A wait with a time limit returns one of these when nothing has come, and has taken a while by then: recv and accept
# with SO_RCVTIMEO have the error of a try that does not wait, and that can take milliseconds on a busy machine.
EXPIRED = {
    **dict.fromkeys(("accept", "accept4", "recvfrom", "recvmsg", "read"), ("EAGAIN", 0.05)),
    **dict.fromkeys(("epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select"), ("0", 0.0005)),
    **dict.fromkeys(("futex", "semtimedop", "rt_sigtimedwait"), ("ETIMEDOUT", 0)),
}  # seconds

BIRTHS = ("clone", "clone3", "fork", "vfork")


class Connection(str, Enum):
    kept = "keep-alive"
    fresh = "fresh"


@dataclass(frozen=True)
class Call:
    process: str  # "parent", "worker", "child 1", ...: who of those that take part in this request
    name: str
    arguments: str  # cut
    result: str  # "49", "EAGAIN"; "child 1" where that is its number


@dataclass(frozen=True)
class Walk:
    """What most of the requests had in common: who called what, in which order."""

    contestant: str
    kind: Connection
    calls: list[Call]  # of one that was as most are
    samples: int
    agreeing: int  # of them: made the same calls, with the same errors, in the same processes

    @property
    def is_majority(self) -> bool:
        """Otherwise these calls are no more than one of many ways."""
        return 2 * self.agreeing > self.samples


@dataclass(frozen=True)
class Sample:
    """One request, in seconds since 1970 by the client's clock."""

    sent: float
    done: float
    next: float  # when the one after it was sent


class Actors:
    """Who is who among a server's processes and threads."""

    def __init__(self, session: int, processes: Mapping[int, int], events: Sequence[Event]) -> None:
        """`processes`: of each thread that was there when strace came. The events tell of the later ones."""
        births = [one for one in events if one.name in BIRTHS and one.value.isdigit() and one.value != "0"]
        born = {int(one.value): one for one in births}
        threads = {child for child, event in born.items() if "CLONE_THREAD" in event.arguments}
        self._session = session
        self._threads = threads | {thread for thread, pid in processes.items() if thread != pid}
        self._births = {child: event.start for child, event in born.items() if child not in threads}
        self._has_children = bool(self._births) or len(set(processes.values())) > 1

    def names(self, threads: Sequence[int], since: float) -> dict[int, str]:
        """Of those that took part in a request that was sent then, in order; numbered where several are the same."""
        roles = {thread: self._role(thread, since) for thread in dict.fromkeys(threads)}
        totals = Counter(roles.values())
        numbers = {role: count(1) for role in totals}
        return {one: f"{role} {next(numbers[role])}" if totals[role] > 1 else role for one, role in roles.items()}

    def _role(self, thread: int, since: float) -> str:
        if thread in self._births and self._births[thread] >= since:
            return "child"
        if thread in self._threads:
            return "thread"
        if thread != self._session:
            return "worker"
        return "parent" if self._has_children else "server"


def walk(contestant: str, kind: Connection, events: Sequence[Event], samples: Sequence[Sample], actors: Actors) -> Walk:
    """Of what strace saw, the sequence that most of the samples have. Raises MeasurementError when that is nothing."""
    seen = [_calls(request_events(events, sample), sample, actors) for sample in samples]
    keys = [_key(calls) for calls in seen]
    most, agreeing = Counter(keys).most_common(1)[0]
    if not most:
        raise MeasurementError(f"strace saw no call in {agreeing} of {len(samples)} requests to {contestant}")
    alike = [calls for calls, key in zip(seen, keys, strict=True) if key == most]
    # the fewer turns the processes take, the easier to read
    shown = min(alike, key=lambda calls: sum(one.process != other.process for one, other in pairwise(calls)))
    return Walk(contestant, kind, shown, len(samples), agreeing)


def request_events(events: Sequence[Event], sample: Sample) -> list[Event]:
    """The calls that returned from the request's departure on, until the server was quiet after its answer. The wait
    in which it came is one of them; the wait for the next is not."""
    found, last = [], sample.done
    for event in _without_ticks(events):
        if event.end < sample.sent:
            continue
        if event.end >= sample.next or event.end > max(last, sample.done) + QUIET:
            break
        found.append(event)
        last = event.end
    return found


def _without_ticks(events: Sequence[Event]) -> list[Event]:
    """Without waits that expired, and what a thread then did until it waited again (dead children are looked for)."""
    ticks: dict[int, Event] = {}  # by thread
    kept = []
    for event in events:
        tick = ticks.get(event.thread)
        value, waited = EXPIRED.get(event.name, ("", 0))
        if event.value == value and event.end - event.start >= waited:
            ticks[event.thread] = event
        elif tick is None or event.name == tick.name or event.start > tick.end + QUIET:
            ticks.pop(event.thread, None)
            kept.append(event)
    return kept


def _calls(events: Sequence[Event], sample: Sample, actors: Actors) -> list[Call]:
    names = actors.names([event.thread for event in events], sample.sent)
    return [Call(names[event.thread], event.name, event.arguments[:60], _result(event, names)) for event in events]


def _result(event: Event, names: Mapping[int, str]) -> str:
    if event.name == "rt_sigreturn":
        return ""  # what the signal had interrupted
    is_pid = event.name in (*BIRTHS, "wait4", "waitid", "getpid", "getppid", "gettid")
    return names.get(int(event.value), event.value) if is_pid and event.value.isdigit() else event.value


def _key(calls: Sequence[Call]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What has to be the same: each process's calls and their errors. How processes' calls interleave is chance."""
    by_process = defaultdict(list)
    for call in calls:
        by_process[call.process].append(f"{call.name} {call.result}" if call.result.isupper() else call.name)
    return tuple(sorted((process, tuple(made)) for process, made in by_process.items()))
