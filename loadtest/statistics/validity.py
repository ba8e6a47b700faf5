"""When not to trust a number. Pure.

Do throughput and latency belong together? L = rate x mean time in the system (J. D. C. Little, 1961). The law holds for
any system and any distribution, so that what breaks it is the instrument: latencies that are not those of the requests,
connections that nobody serves, a client that is busy with something else. Both functions say why they do not, in a
sentence; mostly "".
"""

DISTURBED = 0.05  # of a CPU, taken by others
UNSURE = 0.05  # of a window's length, up to which its ends may be unsure
ROUNDING = 0.01  # clocks of 1 us, and a window that the client opens a little after its connections


def too_much_cpu(cpu_seconds: float, seconds: float, cpus: int, bearable: float) -> str:
    """Of a server that was pinned to so many CPUs, in a window of so many seconds; `bearable`: the CPU seconds that
    these can have given, with what the readings may be off. Who seems to have used more was charged for work that is
    not of the window."""
    if cpu_seconds <= bearable:
        return ""
    used, most = cpu_seconds / seconds / cpus, bearable / seconds / cpus
    return (
        f"the server cannot have used {used:.0%} of its CPUs: {cpu_seconds:.3f} CPU s in {seconds:.3f} s on {cpus} "
        f"(up to {most:.1%} would be the readings' own error)"
    )


def late_window(seconds: float, unsure: float, after_load: float) -> str:
    """Of a window amid a load, whose ends are unsure by so many seconds; it ended so long after the load, or before it
    when negative."""
    if after_load > 0:
        return f"the server's CPU time was read {after_load:.2f} s after the load's end: this machine is too busy"
    if unsure > UNSURE * seconds:
        return (
            f"reading the server's CPU time took {unsure:.3f} s, too long in a window of {seconds:.2f} s: "
            "this machine is too busy"
        )
    return ""


def closed_loop(
    connections: int,
    rate: float,
    mean_latency: float,
    *,
    duration: float,
    longest: float,
    client_share: float,
    beyond: float = 0.0,
) -> str:
    """Of a client that asks again, on each of its connections, when it is answered (wrk).

    `beyond`: the share of the duration for which requests under way at its end still count.

    `rate`, a second, `mean_latency` and `longest`, in seconds, are of the same requests: those whose latency was
    recorded, without wrk's synthetic ones. `client_share`: of the duration, when the client could not ask at once,
    because it was at work (its CPU time) or others were on its CPU. Connections are kept: connecting is not in wrk's
    latencies.

    A connection waits less than the whole duration only while it opens and while its last request is unanswered, each
    about as long as the longest answer, and while the client, which has an answer, has not yet asked again: then the
    client is at work. It never waits longer. The busier the client is, the less the lower limit tells.
    """
    missing = min(1.0, client_share + 2 * longest / duration + ROUNDING)
    return _check(rate * mean_latency, (1 - missing) * connections, (1 + beyond + ROUNDING) * connections)


def open_loop(
    connections: int, rate: float, mean_service: float, mean_latency: float, *, duration: float, longest: float
) -> str:
    """Of a client with a schedule (pace): no more are under way than it has connections; the others wait in its queue.

    `mean_service` counts from the send, `mean_latency` and `longest` from when a request was due; all in seconds, and
    of the requests that `rate` counts. The duration is the schedule's: an overloaded server answers after its end.
    """
    if mean_service > mean_latency * (1 + ROUNDING):
        return f"requests took {mean_service:.6f} s from the send, but {mean_latency:.6f} s from when they were due"
    return _check(rate * mean_service, 0.0, connections * (1 + longest / duration + ROUNDING))


def _check(observed: float, low: float, high: float) -> str:
    """By the bearable numbers of requests that were under way at a time, on average."""
    if low <= observed <= high:
        return ""
    too_few = "connections were not served, or the client did not ask again at once"
    too_many = "the latencies are not those of the requests that were counted"
    return (
        f"throughput x mean latency is {observed:.1f} requests under way, not {low:.1f} to {high:.1f} "
        f"(Little's law): {too_few if observed < low else too_many}"
    )
