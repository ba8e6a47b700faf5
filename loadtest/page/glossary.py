"""The words of a report, explained for who meets them for the first time. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Term:
    name: str
    meaning: str  # one or two sentences
    forms: tuple[str, ...] = ()  # as it is written in a text; none: as its name

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Whole words only. A form in capitals is met in capitals only; any other also with a capital first letter."""
        return re.compile(rf"(?<![\w/-])(?:{'|'.join(map(_form, self.forms or (self.name,)))})(?![\w-])")


def _form(text: str) -> str:
    words = r"\s+".join(map(re.escape, text.split()))
    first = text[0]
    return f"[{first}{first.upper()}]{words[1:]}" if first.islower() else words


TERMS = (
    Term(
        "AddressSanitizer",
        "A compiler option that checks each access to memory while the program runs. A wrong access ends the process "
        "at once, with a report. (K. Serebryany et al., USENIX ATC 2012)",
        ("AddressSanitizer", "asan"),
    ),
    Term(
        "abandoned lock",
        "A lock in memory that processes share, whose owner died while it held the lock. Who asks for it waits for "
        "ever, unless the lock is robust (pthread_mutexattr_setrobust(3)).",
        ("abandoned lock", "abandoned locks"),
    ),
    Term(
        "ballast",
        "Memory that a server writes at its start and keeps. It stands for the data of a real application, and makes "
        "each fork dearer: fork copies the page tables of that memory.",
    ),
    Term(
        "bare server",
        "A server with the same way to wait as a model, but without HTTP: it sends a fixed answer. It shows the limit "
        "of that model; the distance to it is the price of HTTP.",
        ("bare",),
    ),
    Term(
        "cgroup",
        "A control group of the kernel: a set of processes whose CPU time and memory are counted together. "
        "(cgroups(7))",
        ("cgroup", "cgroups", "control group", "control groups"),
    ),
    Term(
        "closed loop",
        "A load in which each client asks again only when it has an answer. A slow server is asked less often, so that "
        "its delays look smaller than they are.",
        ("closed loop", "closed-loop", "closed loops"),
    ),
    Term(
        "constant rate",
        "A load in which requests are due at fixed times, whether or not earlier ones are answered. A latency counts "
        "from when the request was due.",
        ("constant rate", "constant rates", "constant-rate", "equal rate"),
    ),
    Term(
        "context switch",
        "The kernel stops one thread on a CPU and runs another one. Each costs time, and some of what the CPU caches "
        "held.",
        ("context switch", "switches"),
    ),
    Term(
        "copy-on-write",
        "After a fork parent and child share the same pages of memory. The kernel copies a page when one of them "
        "writes to it. (fork(2))",
    ),
    Term(
        "coroutine",
        "A function that can stop in the middle and go on later. A server runs one for each client, many in one "
        "thread, and switches between them without the kernel.",
        ("coroutine", "coroutines"),
    ),
    Term(
        "disturbed",
        "Other programs, or other virtual machines of the same host, took more than 5 % of a CPU while a step was "
        "measured.",
    ),
    Term(
        "epoll",
        "A service of Linux that tells which of many connections are ready, so that one thread can serve all of them. "
        "(epoll(7)) The model of that name is such a server.",
    ),
    Term(
        "EPOLLEXCLUSIVE",
        "A flag of epoll for a socket on which several processes wait: a new client wakes one of them and not all. "
        "(epoll_ctl(2))",
    ),
    Term(
        "fault",
        "One thing that is done to a server on purpose, such as a request whose handler crashes.",
        ("fault", "faults"),
    ),
    Term(
        "fiber",
        "A thread that is switched in user space: it has a stack, and a scheduler of the program, not the kernel, "
        "decides who goes on. One that waits costs memory and no kernel thread. Goroutines and Java's virtual threads "
        "are such.",
        ("fiber", "fibers"),
    ),
    Term(
        "fork",
        "The system call by which a process makes a copy of itself, a child. (fork(2)) A server can fork for each "
        "request, for each connection, or once for each worker of a pool.",
        ("fork", "forks", "forked"),
    ),
    Term(
        "goodput",
        "Good answers a second. Throughput counts answers with an error as well.",
    ),
    Term(
        "group",
        "A letter. Servers that share a letter are tied; a is the best.",
        ("group", "groups"),
    ),
    Term(
        "guard page",
        "A page below a stack that nobody may touch. A stack that is full meets it, and the process ends by SIGSEGV "
        "before it damages what lies below.",
        ("guard page", "guard pages"),
    ),
    Term(
        "harm",
        "The worst that a fault did to clients who did not cause it: delayed, lost, wrong or starved.",
        ("harm", "harmed", "harms"),
    ),
    Term(
        "helper thread",
        "A thread to which an event loop lends a client whose request may block, such as one for a file. The loop "
        "serves all other clients in the meantime.",
        ("helper thread", "helper threads", "helpers"),
    ),
    Term(
        "Holm's correction",
        "Who compares often meets a difference by chance. This asks the clearest of m comparisons for m times the "
        "evidence, the next for m - 1 times, and so on. (S. Holm, 1979)",
        ("Holm",),
    ),
    Term(
        "indicative",
        "A figure from so few rounds that it has no interval. It shows the order of magnitude, and ranks nobody.",
        ("indicative", "INDICATIVE"),
    ),
    Term(
        "interleaved",
        "In each round every server has its turn, in a random order. A slow moment of the machine so harms all servers "
        "alike.",
    ),
    Term(
        "interval",
        "Where the true value lies, in 95 of 100 such experiments. It stands in brackets: [0.91-0.95].",
        ("interval", "intervals"),
    ),
    Term(
        "invalid",
        "A result that the instrument broke, or after which the server did not end as it should. It has no number, and "
        "enters none.",
        ("invalid", "INVALID"),
    ),
    Term(
        "involuntary switch",
        "A context switch because the kernel took the CPU away: the time slice was over, or another thread was more "
        "urgent. (getrusage(2), ru_nivcsw)",
        ("involuntary",),
    ),
    Term(
        "knee",
        "The rate from which on the latency rises steeply, because requests come faster than they are served.",
    ),
    Term(
        "latency",
        "The time from when a request was due, or sent, until its answer is complete.",
        ("latency", "latencies"),
    ),
    Term(
        "ledger",
        "The account of all requests while a fault happens: each of them is answered, late, lost, wrong or never "
        "answered.",
        ("ledger", "ledgers", "account"),
    ),
    Term(
        "lower bound",
        "A figure marked >=: the server could have done more, because something else was at its limit, such as the "
        "client.",
        ("lower bound", "lower bounds", "LOWER BOUND", ">="),
    ),
    Term(
        "median",
        "The value in the middle: half of the values are smaller, half are larger.",
        ("median", "medians"),
    ),
    Term(
        "M:N",
        "Many user-level threads (fibers) on a few kernel threads: the program's scheduler shares the former among "
        "the latter.",
    ),
    Term(
        "multi-process",
        "A server of several processes, each with an event loop for many clients. A crash ends one process and the "
        "clients that it has; the parent starts another one.",
        ("multi-process", "multiprocess"),
    ),
    Term(
        "newcomer",
        "A client that opens a fresh connection every 100 ms (50 ms beside a fault), while others load the server. It "
        "shows whether somebody new is still served.",
        ("newcomer", "newcomers"),
    ),
    Term(
        "multi-level feedback queue",
        "Who has used up a turn goes one level down, and who is on a higher level goes first. So short requests are "
        "quick although nobody has said which are short. (F. J. Corbató et al., 1962)",
        ("multi-level feedback queue", "MLFQ"),
    ),
    Term(
        "offered rate",
        "How many requests a second the clients send, whether or not the server can answer so many.",
        ("offered rate", "offered rates"),
    ),
    Term(
        "outage",
        "The time from a fault until 95 % of the requests that are due are answered in time again.",
        ("outage", "outages"),
    ),
    Term(
        "p50, p99, p99.9",
        "The latency that 50, 99 or 99.9 % of the requests did not exceed. p99 = 3 ms: one request in a hundred took "
        "longer than 3 ms.",
        ("p50", "p90", "p99", "p999", "percentile", "percentiles", "quantile", "quantiles"),
    ),
    Term(
        "page tables",
        "The kernel's list of which page of memory a process sees where. Each process has its own; a fork copies it.",
        ("page table", "page tables"),
    ),
    Term(
        "peer",
        "A production server, such as nginx, h2o or Apache, measured in the same rounds as a yardstick.",
        ("peer", "peers"),
    ),
    Term(
        "Poisson",
        "Requests come at random times, as from many clients that do not know of each other.",
    ),
    Term(
        "Pollaczek and Khinchine",
        "The mean wait where requests come at random and are served in order: it grows with the square of the service "
        "times, so that a few long requests make everybody wait. (1930, 1932)",
        ("Pollaczek", "P-K", "M/G/1"),
    ),
    Term(
        "pool",
        "A fixed number of workers, started before the first request. Each serves one client at a time.",
        ("pool", "pools"),
    ),
    Term(
        "prefork",
        "A pool of processes, forked before the first request. A crash ends one worker; the parent starts another one.",
    ),
    Term(
        "preemptive LCFS",
        "Last come, first served: the youngest request interrupts all others, who go on when it has ended.",
        ("LCFS",),
    ),
    Term(
        "private memory",
        "Memory that one process alone uses; it would be free if that process ended. Also called USS, unique set size.",
        ("private", "USS"),
    ),
    Term(
        "PSS",
        "Proportional set size: the memory of a process, in which a page that n processes share counts 1/n. The sum "
        "over processes counts each page once. (proc(5), smaps)",
    ),
    Term(
        "radius",
        "How far the harm of a fault reaches: nobody, the request, its connection, its worker, or the whole server.",
        ("radius", "blast-radius"),
    ),
    Term(
        "rotation",
        "A worker of a pool turns to another client after a number of requests on one connection.",
    ),
    Term(
        "round",
        "One turn of all servers, each freshly started. A figure is the median over the rounds.",
        ("round", "rounds"),
    ),
    Term(
        "RSS",
        "Resident set size: the memory of a process that is in RAM. A page that several processes share counts in each "
        "of them, so that a sum over processes is too large. (proc(5))",
    ),
    Term(
        "run queue",
        "Those who could go on and wait for a processor: threads in the kernel, fibers in a server. A scheduler takes "
        "the next one from it.",
        ("run queue", "run queues"),
    ),
    Term(
        "SCHED_FIFO, SCHED_RR",
        "Real-time policies of the kernel, before all usual threads (SCHED_OTHER). With FIFO a thread keeps the CPU "
        "until it waits; with RR it hands it on after a turn, 100 ms mostly. (sched(7))",
        ("SCHED_FIFO", "SCHED_RR", "SCHED_OTHER"),
    ),
    Term(
        "scoreboard",
        "A file in memory in which each worker writes what it does. It outlives a crash, and so tells which request "
        "was in hand.",
    ),
    Term(
        "signed ranks",
        "A test of whether one server is faster than another in the same rounds. It looks at the size order of the "
        "differences and assumes no distribution. (F. Wilcoxon, 1945)",
    ),
    Term(
        "SO_REUSEPORT",
        "An option of sockets by which several of them listen on the same port. The kernel shares new clients among "
        "them by the clients' addresses. (socket(7))",
        ("SO_REUSEPORT", "reuseport"),
    ),
    Term(
        "stack",
        "The memory of calls that have not returned. Each thread or fiber has its own, of a fixed size; a page of it "
        "takes memory when it is first touched.",
        ("stack", "stacks"),
    ),
    Term(
        "supervised",
        "A parent process watches the server and starts it again when it ends; in the tables +parent.",
        ("supervised", "--supervise", "--supervised", "supervisor", "+parent", "under a parent"),
    ),
    Term(
        "system call",
        "A request of a program to the kernel, such as recv or send. (syscalls(2)) Each costs time.",
        ("system call", "system calls"),
    ),
    Term(
        "throughput",
        "Requests that are answered in a second.",
        ("throughput", "requests/s", "requests a second"),
    ),
    Term(
        "tie",
        "The rounds do not show which of two servers is better. That is no proof that they are equal.",
        ("tie", "ties", "tied", "TIED", "could not be told from", "could not be told apart"),
    ),
    Term(
        "user and system time",
        "CPU time of the program itself, and of the kernel at work for it. (getrusage(2))",
        ("user and system", "system time", "user time"),
    ),
    Term(
        "virtual machine",
        "A computer that is a program on a host. What else the host does changes its speed, and it cannot see that in "
        "full.",
        ("virtual",),
    ),
    Term(
        "voluntary switch",
        "A context switch because a thread had to wait, such as for the next request. (getrusage(2), ru_nvcsw)",
        ("voluntary",),
    ),
    Term(
        "work stealing",
        "A worker whose own run queue is empty takes somebody from another's. (R. Blumofe, C. Leiserson, FOCS 1994)",
    ),
    Term(
        "worker",
        "The process, the thread or the loop that serves a client.",
        ("worker", "workers"),
    ),
    Term(
        "wrk",
        "A program that loads a server in a closed loop, as fast as it answers. (github.com/wg/wrk)",
    ),
    Term(
        "quartet-pace",
        "The client of this project that asks at a constant rate. Its own delays are counted, and too late a schedule "
        "makes a result invalid.",
        ("quartet-pace", "pace"),
    ),
)


def words_of(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Those that occur in the texts, with their meanings, in alphabetical order."""
    text = "\n".join(texts)
    found = [term for term in TERMS if term.pattern.search(text)]
    return [(term.name, term.meaning) for term in sorted(found, key=lambda term: term.name.casefold())]
