import resource
from dataclasses import replace

import pytest

from loadtest.system import MeasurementError, sockets
from loadtest.system.sockets import Sockets

SOCKSTAT = "sockets: used 14\nTCP: inuse 3 orphan 0 tw 700 alloc 1 mem 35\nUDP: inuse 1 mem 0\n"
QUIET = Sockets(in_use=3, time_wait=0, ports=1000, reusable=False)
FULL = replace(QUIET, time_wait=990)


@pytest.fixture
def proc(tmp_path):
    """A /proc with the numbers above, 1000 ports, and Linux's default of reuse on the loopback."""
    for name, content in {
        "net/sockstat": SOCKSTAT,
        "net/sockstat6": "TCP6: inuse 2\n",
        "sys/net/ipv4/ip_local_port_range": "32768\t33767\n",
        "sys/net/ipv4/tcp_tw_reuse": "2\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def test_the_kernels_counters_are_read(proc):
    assert sockets.read("127.0.0.1", proc) == Sockets(in_use=5, time_wait=700, ports=1000, reusable=True)


def test_a_kernel_without_ipv6_is_read_too(proc):
    (proc / "net/sockstat6").unlink()
    assert sockets.read("127.0.0.1", proc).in_use == 3


def test_counters_that_a_sandbox_hides_say_nothing(proc, tmp_path):
    (proc / "net/sockstat").unlink()
    (proc / "sys/net/ipv4/ip_local_port_range").write_text("")
    (proc / "sys/net/ipv4/tcp_tw_reuse").unlink()
    found = sockets.read("127.0.0.1", proc)
    assert found == Sockets(in_use=2, time_wait=0, ports=28232, reusable=False)
    assert sockets.port_problem(found, found, connect_errors=3) == ""


@pytest.mark.parametrize(
    "setting, host, reusable",
    [
        ("0", "127.0.0.1", False),
        ("1", "192.0.2.1", True),
        ("2", "::1", True),
        ("2", "192.0.2.1", False),
        ("2", "server", False),
        ("2", "localhost", True),
    ],
)
def test_whether_a_port_in_time_wait_can_be_reused_depends_on_the_host(proc, setting, host, reusable):
    (proc / "sys/net/ipv4/tcp_tw_reuse").write_text(setting)
    assert sockets.read(host, proc).reusable is reusable


def test_this_kernel_has_the_counters():
    found = sockets.read()
    assert found.ports > 0 and found.time_wait >= 0 and found.in_use >= 0


def test_a_quiet_run_has_no_problem():
    assert sockets.port_problem(QUIET, replace(QUIET, time_wait=800)) == ""
    assert sockets.port_problem(QUIET, QUIET, connect_errors=3) == ""  # not for want of ports


def test_many_sockets_in_time_wait_are_a_problem_where_none_can_be_reused():
    problem = sockets.port_problem(QUIET, FULL)
    assert problem.startswith("ephemeral ports may have run out: 990 sockets in TIME_WAIT, 1000 ports")


def test_where_ports_are_reused_it_takes_connections_that_failed():
    full = replace(FULL, reusable=True)
    assert sockets.port_problem(QUIET, full) == ""
    assert sockets.port_problem(QUIET, full, 8).startswith("8 connections failed, and ephemeral ports may have run out")


def test_the_problem_tells_what_an_earlier_run_has_left():
    assert "990 sockets in TIME_WAIT, 900 from before, 1000" in sockets.port_problem(replace(FULL, time_wait=900), FULL)


def test_more_connections_than_descriptors_are_refused_with_the_fix(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    sockets.require_descriptors(200)
    with pytest.raises(MeasurementError, match="^300 connections take 332 descriptors, but the limit is 256; raise"):
        sockets.require_descriptors(300)


def test_no_limit_is_no_limit(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    sockets.require_descriptors(10**6)
