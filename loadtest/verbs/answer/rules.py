"""The rules of the answer, as data: for each job what a model must be safe from, and what is told of those who are. Who
is named follows from the facts."""

from dataclasses import dataclass

from loadtest.verbs.answer.dangers import CRASH, CROWD, HANG, Danger

# How soon a clause is left out where there is little room: the higher, the sooner. At 0 it stays.
POINT, DOUBT, REASON, PRICE, MORE, DETAIL = range(6)

# What can be told of those who are named.
SAFE, COST, MEMORY, HARM, RECOVERY, ROTATION, PEERS = range(7)


@dataclass(frozen=True)
class Job:
    """Of those who are safe from all these dangers the cheapest are named, by CPU time for a request."""

    when: str
    against: tuple[Danger, ...]  # each must have been tried; none: everybody is able
    tells: tuple[tuple[int, int], ...]  # what, and how soon it is left out
    harms: tuple[Danger, ...] = ()  # others, in those who are named


# The strictest first: who is named for more dangers is not named again for some of them.
JOBS = (
    Job(
        "If a request may crash or hang (other people's code)",
        (CRASH, HANG),
        ((SAFE, REASON), (COST, REASON), (MEMORY, REASON)),
    ),
    Job(
        "If a request may hang, but not crash",
        (HANG,),
        ((HARM, REASON), (COST, MORE), (SAFE, DETAIL)),
        (CRASH,),
    ),
    Job(
        "If code is trusted and never blocks",
        (),
        ((COST, PRICE), (HARM, MORE), (RECOVERY, DETAIL), (PEERS, MORE)),
        (CRASH, HANG),
    ),
    Job(
        "If more clients stay than there are workers",
        (CROWD,),
        ((HARM, PRICE), (ROTATION, DETAIL)),
        (CROWD,),
    ),
)

# In the words of who has not seen the code.
HAPPENS = {CRASH: "a crash", HANG: "a hung request", CROWD: "a crowd"}
WHERE = {
    CRASH: "In {names} a crash {effect}.",
    HANG: "In {names} a hung request {effect}.",
    CROWD: "{names} {effect}.",
}
MODELS = {
    "fork-per-request": "a new process for each request",
    "fork-per-connection": "a new process for each client",
    "prefork": "a pool of processes",
    "threads": "a pool of threads",
    "coroutines": "one thread for all clients, a coroutine for each",
    "epoll": "one thread, one event loop for all clients",
    "multiprocess": "a few processes, each with an event loop for its clients",
    "helpers": "one event loop for all clients, and threads for requests that may block",
    "fibers": "one thread for all clients, a stack of its own (a fiber) for each",
}
