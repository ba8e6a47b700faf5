"""The plot of walks: how many calls a request makes, and what for. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from loadtest.document.document import Axis, Mark, Plot, Shape
from loadtest.verbs.walk.sequence import BIRTHS, Walk

# What calls are for; all others are "others".
KINDS = {
    "receive and send": "recvfrom recvmsg read readv sendto sendmsg write writev sendfile".split(),
    "wait for many": "epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6".split(),
    "connections": "accept accept4 close shutdown setsockopt getsockopt ioctl fcntl epoll_ctl".split(),
    "processes": [*BIRTHS, *"wait4 waitid exit exit_group getpid getppid gettid prctl set_robust_list kill".split()],
    "signals": "rt_sigaction rt_sigprocmask rt_sigreturn".split(),
    "locks": ["futex"],
}
KIND_OF = {call: kind for kind, calls in KINDS.items() for call in calls}
OTHERS = "others"


def calls(name: str, when: str, walks: Sequence[Walk], commands: Sequence[str]) -> Plot:
    """`walks` of one kind of connection; `when` says which."""
    return Plot(
        id=name,
        title=f"System calls of one request, {when}",
        caption="The length of a bar is how many system calls one request makes, in all processes together; each is a "
        "way into the kernel and back. Its parts are what the calls are for: a blocking server waits in its receive, a "
        "loop in a call that waits for many connections. The table has the calls' names.",
        shape=Shape.bars,
        x=Axis("contestant"),
        y=Axis("system calls", "per request"),
        marks=[mark for walk in walks for mark in _marks(walk)],
        commands=commands,
    )


def _marks(walk: Walk) -> Iterator[Mark]:
    if not walk.is_majority:
        yield Mark(walk.contestant, note=f"no majority: {walk.agreeing} of {walk.samples} requests were alike")
        return
    for kind in (*KINDS, OTHERS):
        made = Counter(call.name for call in walk.calls if KIND_OF.get(call.name, OTHERS) == kind)
        if made:
            names = ", ".join(f"{count} {call}" for call, count in made.items())
            yield Mark(walk.contestant, y=made.total(), part=kind, note=names)
