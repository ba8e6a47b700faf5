import os
import struct
import subprocess
import sys
import time

import pytest
from conftest import ROOT, eventually

from loadtest.system import memory, processes, procfs, usage
from loadtest.system.memory import Memory

STAT = "77 (a) (b c) S 1 70 71 0 -1 0 0 0 0 0 11 12 {cutime} {cstime} 20 0 1 0 5555 0 0"


def test_a_process_name_may_contain_parentheses_and_blanks():
    stat = procfs.parse_stat(STAT.format(cutime=0, cstime=0))
    assert (stat.pid, stat.state, stat.session, stat.start) == (77, "S", 71, 5555)


def test_dead_children_count_user_and_system_time():
    assert procfs.parse_stat(STAT.format(cutime=30, cstime=20)).dead_children == pytest.approx(50 * procfs.TICK)


@pytest.fixture
def shell():
    """A shell with a child that burns 0.3 s and is waited for, and one that stays."""
    burn = f"{sys.executable} -c 'import time\nwhile time.process_time() < 0.3: pass'"
    process = processes.Process(["sh", "-c", f"{burn}; sleep 600; true"], subprocess.DEVNULL, subprocess.DEVNULL)
    yield process.pid
    processes.end_all()


def test_cpu_time_includes_children_that_have_ended(shell):
    assert eventually(lambda: usage.read(shell).cpu_seconds >= 0.28)
    assert eventually(lambda: len(procfs.members(shell)) == 2)
    assert 0.28 <= usage.read(shell).cpu_seconds < 5


def test_a_file_that_comes_page_by_page_is_read_to_its_end():
    """As the children of a process with a thousand of them do."""
    content = procfs._content("/proc/self/smaps")
    assert content is not None and len(content) > 8192
    assert "VmFlags" in content.splitlines()[-1]


def test_the_clock_of_a_process_is_finer_than_a_tick():
    before, own = procfs.PROC.clock(os.getpid()), time.process_time()
    assert before == pytest.approx(own, abs=0.1)
    assert procfs.PROC.clock(os.getpid()) > before


def test_zombies_are_no_members(shell):
    assert eventually(lambda: len(procfs.members(shell)) == 2)
    os.kill(shell, 9)
    assert eventually(lambda: shell not in [stat.pid for stat in procfs.members(shell)])


def test_a_plain_lock_is_abandoned_when_its_holder_has_ended_and_a_robust_one_never_is():
    """A zombie has ended: for an orphan somebody else has to wait."""
    file = os.memfd_create("quartet-locks")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as holder:

        def abandoned(plain: int, robust: int) -> int:
            os.pwrite(file, struct.pack("<2i", plain, robust), 0)
            return procfs.abandoned_locks(os.getpid())

        try:
            assert abandoned(0, 0) == 0 and abandoned(holder.pid, 0) == 0
            holder.kill()
            assert eventually(lambda: procfs._read_stat(holder.pid).state == "Z")
            assert abandoned(holder.pid, 0) == 1 and abandoned(0, holder.pid) == 0
            holder.wait()
            assert abandoned(holder.pid, 0) == 1 and abandoned(0, holder.pid) == 0
        finally:
            os.close(file)


ROLLUP = """55e0-7ffc ---p 00000000 00:00 0    [rollup]
Rss:                4096 kB
Pss:                1500 kB
Pss_Dirty:           700 kB
Shared_Clean:       3000 kB
Private_Clean:       100 kB
Private_Dirty:       900 kB
"""


def test_a_leader_of_a_session_is_told_from_its_members():
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as leader:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as member:
            assert procfs.is_leader(leader.pid) and not procfs.is_leader(member.pid)
            member.communicate()
        leader.communicate()
    assert not procfs.is_leader(leader.pid), "it is gone"


def test_memory_is_pss_and_private_pages():
    status = "Name:\tx\nVmPTE:\t      44 kB\nVmSwap:\t       0 kB\n"
    assert memory.parse(ROLLUP, status) == Memory(1, 1500 * 1024, 1000 * 1024, 4096 * 1024, 44 * 1024)


def test_memory_of_a_tree_is_a_sum():
    assert memory.total([Memory(1, 1, 2, 3, 4)] * 3) == Memory(3, 3, 6, 9, 12)


def test_memory_that_we_may_not_look_into_is_unknown_and_so_is_its_sum():
    hidden = Memory(1, None, None, None, 44 * 1024, unknown="of another user")
    found = memory.total([Memory(1, 1, 2, 3, 4), hidden])
    assert (found.processes, found.pss, found.private, found.rss) == (2, None, None, None)
    assert found.page_tables == 4 + 44 * 1024
    assert "another user" in found.unknown


@pytest.mark.skipif(os.getuid() != 0, reason="takes root to become somebody else")
def test_the_memory_of_another_users_process_is_unknown_to_us():
    script = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); from loadtest.system import memory, procfs\n"
        "os.setresuid(65534, 65534, 65534); print(memory.read([procfs.identity(1)]).unknown)"
    )
    finished = processes.run([sys.executable, "-c", script], timeout=30)
    assert "another user" in finished.stdout


def test_a_forked_child_hardly_adds_to_pss_but_doubles_summed_rss():
    script = "import os, time; held = os.urandom(40 << 20); os.fork(); time.sleep(600)"
    process = processes.Process([sys.executable, "-c", script], subprocess.DEVNULL, subprocess.DEVNULL)
    try:
        assert eventually(lambda: len(procfs.members(process.pid)) == 2)
        read = memory.read({stat.identity for stat in procfs.members(process.pid)})
    finally:
        processes.end_all()
    assert read.rss > 80 << 20
    assert 40 << 20 < read.pss < 70 << 20


def test_context_switches_that_the_kernel_does_not_tell_are_unknown():
    told = "voluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n"
    assert procfs.parse_switches([told, "Name:\tx\n"]) is None
    assert procfs.parse_switches([told, ""]) == procfs.Switches(3, 4)  # one has ended in the meantime


def test_context_switches_are_those_of_all_threads():
    status = "Threads:\t1\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n"
    assert procfs.parse_switches([status, status]) == procfs.Switches(14, 6)


def test_the_end_of_a_process_tells_how_often_it_waited():
    script = "import time\nfor _ in range(50): time.sleep(0.001)"
    child = processes.Process([sys.executable, "-c", script], subprocess.DEVNULL, subprocess.DEVNULL)
    assert child.ends_within(20)
    switches = child.reap().switches
    assert switches and switches.voluntary >= 50
