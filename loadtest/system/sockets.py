"""What the kernel lets clients have: descriptors, and ephemeral ports, which TIME_WAIT holds for a minute.

Numbers are the kernel's own counters: /proc/net/tcp is read page by page, and repeats rows while connections come and
go. Who closes first keeps TIME_WAIT, and the counters tell both ends as one on the loopback. With `Connection: close`
that is nearly always the server (epoll: 99 %), whose TIME_WAIT blocks no client: a new SYN takes it over. A server that
closes late, such as fork per request, leaves it to the client, whose port then waits.
"""

import resource
from dataclasses import dataclass
from pathlib import Path

from loadtest.system import MeasurementError, procfs

CROWDED = 0.9  # of the ephemeral ports, from which on finding a free one may fail
SPARE_DESCRIPTORS = 32  # for what is no connection


@dataclass(frozen=True)
class Sockets:
    """Of a network namespace."""

    in_use: int  # TCP sockets, listeners included
    time_wait: int
    ports: int  # ephemeral ones
    reusable: bool  # by tcp_tw_reuse, for connections to the host that was asked about


def read(host: str = "127.0.0.1", proc: Path = Path("/proc")) -> Sockets:
    """Where a sandbox hides a counter it is 0, and nobody will say that ports ran out."""
    first, last = port_range(proc)
    reuse = procfs.number(proc / "sys/net/ipv4/tcp_tw_reuse")  # 2: on the loopback only
    tcp = procfs.pairs(procfs.text(proc / "net/sockstat"), "TCP")
    tcp6 = procfs.pairs(procfs.text(proc / "net/sockstat6"), "TCP6")
    return Sockets(
        in_use=tcp.get("inuse", 0) + tcp6.get("inuse", 0),
        time_wait=tcp.get("tw", 0),  # of both families
        ports=last - first + 1,
        reusable=reuse == 1 or (reuse == 2 and (host in ("localhost", "::1") or host.startswith("127."))),
    )


def port_range(proc: Path = Path("/proc")) -> tuple[int, int]:
    """The first and the last ephemeral port; Linux's default where that is hidden."""
    first, last = (procfs.text(proc / "sys/net/ipv4/ip_local_port_range") or "32768 60999").split()
    return int(first), int(last)


def port_problem(before: Sockets, after: Sockets, connect_errors: int = 0) -> str:
    """Why clients may have found no port; mostly "". Where TIME_WAIT can be reused, only if connections failed."""
    crowded = after.in_use + after.time_wait >= CROWDED * after.ports
    if not crowded or (after.reusable and not connect_errors):
        return ""
    failed = f"{connect_errors} connections failed, and " if connect_errors else ""
    earlier = f", {before.time_wait} from before" if before.time_wait else ""
    return (
        f"{failed}ephemeral ports may have run out: {after.time_wait} sockets in TIME_WAIT{earlier}, "
        f"{after.ports} ports (net.ipv4.ip_local_port_range, net.ipv4.tcp_tw_reuse)"
    )


def require_descriptors(connections: int) -> None:
    """Raises MeasurementError when we, and thus our children, may not open that many connections."""
    needed = connections + SPARE_DESCRIPTORS
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and needed > limit:
        raise MeasurementError(
            f"{connections} connections take {needed} descriptors, but the limit is {limit}; raise it: ulimit -n"
        )
