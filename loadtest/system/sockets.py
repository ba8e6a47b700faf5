"""What the kernel lets clients have: descriptors, and ephemeral ports, which TIME_WAIT holds for a minute.

Numbers are the kernel's own counters: /proc/net/tcp is read page by page, and repeats rows while connections come and
go. Who closes first keeps TIME_WAIT, and the counters tell both ends as one on the loopback. With `Connection: close`
that is nearly always the server (epoll: 99 %), whose TIME_WAIT blocks no client: a new SYN takes it over. A server that
closes late, such as fork per request, leaves it to the client, whose port then waits.
"""

from __future__ import annotations

import ipaddress
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from loadtest.system.errors import MeasurementError

DEFAULT_PORTS = "32768 60999"  # Linux's
CROWDED = 0.9  # of the ephemeral ports, from which on finding a free one may fail
REUSE_DELAY = 1.0  # seconds in TIME_WAIT after which tcp_tw_reuse lets a client have the port
SPARE_DESCRIPTORS = 32  # for what is no connection


@dataclass(frozen=True)
class Sockets:
    """Of a network namespace."""

    in_use: int  # TCP sockets, listeners included
    time_wait: int
    ports: int  # ephemeral ones
    reusable: bool  # by tcp_tw_reuse, for connections to the host that was asked about

    @property
    def crowded(self) -> bool:
        return self.in_use + self.time_wait >= CROWDED * self.ports


def read(host: str = "127.0.0.1", proc: Path = Path("/proc")) -> Sockets:
    """Where a sandbox hides a counter it is 0, and nobody will say that ports ran out."""
    settings = proc / "sys/net/ipv4"
    first, last = map(int, (_text(settings / "ip_local_port_range") or DEFAULT_PORTS).split())
    reuse = _setting(settings / "tcp_tw_reuse")
    counts = _sockstat(proc / "net/sockstat", "TCP") | _sockstat(proc / "net/sockstat6", "TCP6")
    return Sockets(
        in_use=counts.get("TCP inuse", 0) + counts.get("TCP6 inuse", 0),
        time_wait=counts.get("TCP tw", 0),  # of both families
        ports=last - first + 1,
        reusable=reuse == 1 or (reuse == 2 and _is_loopback(host)),
    )


def _setting(path: Path) -> int:
    return int(_text(path) or 0)  # a sandbox's kernel may lack it


def _text(path: Path) -> str:
    """Containers mask files by a lack of permission, too, or by an empty file."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _sockstat(path: Path, protocol: str) -> dict[str, int]:
    """Its numbers, by protocol and name. Nothing where the file is missing: a kernel without IPv6."""
    lines = _text(path).splitlines()
    words: list[str] = next((line.split()[1:] for line in lines if line.startswith(f"{protocol}:")), [])
    return {f"{protocol} {name}": int(value) for name, value in zip(words[::2], words[1::2])}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def ports_free(sockets: Sockets) -> int:
    """For new clients, at least: a port whose TIME_WAIT is at the server's end counts as taken. Where TIME_WAIT can be
    reused it counts as free, though in its first second it is not."""
    taken = sockets.in_use + (0 if sockets.reusable else sockets.time_wait)
    return max(0, sockets.ports - taken)


def port_problem(before: Sockets, after: Sockets, connect_errors: int = 0) -> str:
    """Why clients may have found no port; mostly "". Where TIME_WAIT can be reused, only if connections failed."""
    if not after.crowded or (after.reusable and not connect_errors):
        return ""
    failed = f"{connect_errors} connections failed, and " if connect_errors else ""
    earlier = f", {before.time_wait} from before" if before.time_wait else ""
    return (
        f"{failed}ephemeral ports may have run out: {after.time_wait} sockets in TIME_WAIT{earlier}, "
        f"{after.ports} ports (net.ipv4.ip_local_port_range, net.ipv4.tcp_tw_reuse)"
    )


def wait_for_ports(needed: int, timeout: float, host: str = "127.0.0.1") -> bool:
    """Waits until as many are free. Returns whether they are, at once when there will never be as many."""
    deadline = time.monotonic() + timeout
    sockets = read(host)
    if sockets.reusable and sockets.time_wait + sockets.in_use + needed > sockets.ports:
        time.sleep(min(REUSE_DELAY, timeout))  # nothing tells how old a TIME_WAIT is
    while needed <= sockets.ports:
        if ports_free(sockets) >= needed:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.1)
        sockets = read(host)
    return False


def require_descriptors(connections: int) -> None:
    """Raises MeasurementError when we, and thus our children, may not open that many connections."""
    needed = connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and needed > soft:
        limit = f"the limit is {soft}" if soft == hard else f"the limit is {soft} (at most {hard})"
        raise MeasurementError(f"{connections} connections take {needed} descriptors, but {limit}; raise it: ulimit -n")
