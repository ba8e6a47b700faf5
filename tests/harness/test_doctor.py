from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.document import terminal
from loadtest.system import processes, procfs
from loadtest.system.records import from_json
from loadtest.verbs.doctor import doctor
from loadtest.verbs.doctor import facts as doctor_facts
from loadtest.verbs.doctor.doctor import TOPICS, Card, Finding, Status
from loadtest.verbs.doctor.facts import Facts, Group

GIB = 1 << 30
TOOLS = dict.fromkeys(doctor_facts.TOOLS, "1.0")

# A virtual machine of our own, with everything installed and nobody else on it.
BARE = Facts(
    model="Xeon",
    virtual=True,
    online=2,
    available=[0, 1],
    siblings={0: [0], 1: [1]},
    governor="",
    clock="tsc",
    others={0: 0.01, 1: 0.0},
    steal=0.0,
    memory={"MemTotal": 8 * GIB, "MemAvailable": 7 * GIB, "SwapTotal": 0, "SwapFree": 0},
    group=Group(2, None, None, None),
    descriptors=(65_536, 1_048_576),
    processes=None,
    accept_queue=4_096,
    ports=(32_768, 60_999),
    reuse=2,
    system="Linux 6.1.0, Debian GNU/Linux 12 (bookworm)",
    core_pattern="core",
    rollup="",
    tools=TOOLS,
    missing_executables=[],
    tracing="",
    counting="",
    docker="",
    irq_time="no",
    little_memory="",
    private_mounts="",
)


def shown(card: Card, width: int = 80) -> str:
    return terminal.render(doctor.document(card), width)


def changed(**values: object) -> Facts:
    """BARE with other values; a dictionary changes some of those in the one that is there, or of the group."""
    for name, value in values.items():
        if isinstance(value, dict):
            old = getattr(BARE, name)
            values[name] = replace(old, **value) if isinstance(old, Group) else {**old, **value}
    return replace(BARE, **values)


def without(*names: str) -> Facts:
    return changed(tools=dict.fromkeys(names, ""))


def only(facts: Facts) -> Finding:
    """The one thing that hinders."""
    (finding,) = doctor.judge(facts).hindrances
    return finding


def test_on_a_bare_machine_everything_can_be_measured():
    card = doctor.judge(BARE)
    assert card.hindrances == []
    assert card.usable
    assert shown(card).endswith("\nEverything can be measured here.\n")


def test_a_big_machine_with_threads_on_its_cores_gives_server_and_load_a_core_each():
    available = list(range(32))
    siblings = {cpu: [cpu % 16, cpu % 16 + 16] for cpu in available}
    others = dict.fromkeys(available, 0.0)
    card = doctor.judge(changed(online=32, available=available, siblings=siblings, others=others))
    assert card.hindrances == []
    assert "server on CPU 31, load on CPU 0" in shown(card)


def test_two_threads_of_one_core_cannot_be_told_apart():
    finding = only(changed(siblings={0: [0, 1], 1: [0, 1]}))
    assert "threads of one core" in finding.hinders


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("yes", "left out of processes' CPU time"),
        ("no", "in processes' CPU time"),
        ("cannot be told", "cannot be told"),
    ],
)
def test_the_card_says_where_interrupt_time_goes(word, value):
    found = next(one for one in doctor.judge(changed(irq_time=word)).findings if one.name == "interrupt time")
    assert found.value == value
    assert (found.status == Status.note) == (word == "yes")


def test_in_a_container_with_one_cpu_nobody_is_ranked():
    group = Group(2, None, 4 * GIB, 10_000)
    facts = replace(BARE, online=8, available=[5], siblings={5: [1, 5]}, others={5: 0.0}, group=group)
    finding = only(facts)
    assert finding.status == Status.note and "share the only CPU" in finding.hinders
    assert "1 of 8: 5" in shown(doctor.judge(facts))


@pytest.mark.parametrize(
    ("facts", "hinders", "fix"),
    [
        (changed(governor="powersave"), "clock follows the load", "cpupower frequency-set"),
        (changed(clock="hpet"), "reading this clock", "clocksource0/current_clocksource"),
        (changed(irq_time="yes"), "keeps their time out of processes' CPU time", ""),
        (changed(group={"cpus": 1.5}), "quota", ""),
        (changed(group={"memory": 256 << 20}), "ballast", "docker update --memory -1"),
        (changed(group={"processes": 100}), "only 100 can", "docker update --pids-limit -1"),
        (changed(descriptors=(1_024, 4_096)), "10,000 idle connections", "prlimit --pid $$ --nofile=65536"),
        (changed(processes=512), "only 512 can", "prlimit --pid $$ --nproc"),
        (changed(accept_queue=128), "queue of 4,096 is cut", "sysctl net.core.somaxconn=4096"),
        (changed(ports=(50_000, 60_999)), "11,000 ports", "ip_local_port_range"),
        (changed(reuse=0), "More than 470 fresh connections a second", "tcp_tw_reuse=2"),
        (changed(others={0: 0.5, 1: 0.04}), "others use CPU 0 ", ""),
        (changed(steal=0.1), "the host", ""),
        (changed(memory={"MemAvailable": 100 << 20}), "memory would run out", ""),
        (changed(memory={"SwapTotal": 4096}), "swapped out", "swapoff"),
        (changed(core_pattern="|/usr/share/apport/apport"), "dead server's memory", "core_pattern=core"),
        (changed(tracing="the kernel forbids; sudo sysctl x=0"), "crash-loop): the kernel forbids", "sudo sysctl x=0"),
        (changed(little_memory="it takes root"), "oom-kill): it takes root", ""),
        (changed(private_mounts="it takes root"), "scoreboard-full): it takes root", ""),
        (changed(counting="perf is missing; apt-get install linux-perf"), "under load", "apt-get install linux-perf"),
        (changed(docker="no engine answers; sudo dockerd &"), "--runner docker", "sudo dockerd &"),
        (without("nginx"), "compared with nginx", "loadtest/setup.sh peers"),
    ],
)  # fmt: skip
def test_what_hinders_is_a_sentence_with_the_command_that_mends_it(facts, hinders, fix):
    finding = only(facts)
    assert hinders in finding.hinders and fix in finding.fix and bool(fix) == bool(finding.fix)
    assert finding.status == Status.note
    assert doctor.judge(facts).usable
    text = " ".join(shown(doctor.judge(facts)).split("cannot be measured here, or not well")[1].split())
    assert text == f"* {doctor.sentence(finding)}"


@pytest.mark.parametrize(
    ("facts", "fix"),
    [
        (without("wrk"), "apt-get install wrk"),
        (without("taskset"), "apt-get install util-linux"),
        (changed(missing_executables=["quartet-fork"]), "cmake --preset release"),
        (changed(rollup="it is missing; use another kernel"), "use another kernel"),
    ],
)
def test_without_what_is_essential_nothing_can_be_measured(facts, fix):
    finding = only(facts)
    assert finding.status == Status.problem and fix in finding.fix
    assert not doctor.judge(facts).usable


def test_a_missing_perf_and_a_missing_strace_are_reported_once_each():
    facts = replace(
        without("perf", "strace"),
        counting="perf is not installed; apt-get install linux-perf",
        tracing="strace is not installed; apt-get install strace",
    )
    assert len(doctor.judge(facts).hindrances) == 2


def test_the_worst_comes_first():
    card = doctor.judge(replace(without("wrk"), others={0: 0.9, 1: 0.9}))
    assert [finding.status for finding in card.hindrances] == [Status.problem, Status.note]


def test_the_card_keeps_to_eighty_columns_and_shows_every_finding():
    long = "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz with a name that goes on and on and does not want to end"
    card = doctor.judge(replace(changed(model=long), docker="reason; " + "x" * 60))
    text = shown(card, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert long.split()[-1] in text
    for finding in card.findings:
        assert finding.name in text


def test_every_name_fits_its_column():
    assert max(len(finding.name) for finding in doctor.judge(BARE).findings) <= doctor.NAME_WIDTH


def test_a_card_and_its_facts_can_be_stored_and_read_back():
    for kind, value in ((Card, doctor.judge(BARE)), (Facts, BARE)):
        assert from_json(kind, json.loads(json.dumps(dataclasses.asdict(value)))) == value


def test_topics_keep_their_order():
    topics = doctor.judge(BARE).topics
    assert list(topics) == list(TOPICS) and all(topics.values())


def test_a_list_of_cpus_has_ranges(files):
    files.write("online", "0-2,8\n").write("none", "\n")
    assert doctor_facts.cpu_list(files.root / "online") == [0, 1, 2, 8]
    assert doctor_facts.cpu_list(files.root / "none") == []


class Files:
    """A machine made of files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> Files:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return self


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_tightest_limit_of_version_2_may_be_one_further_out(files):
    files.write("proc/self/cgroup", "0::/user.slice/session.scope\n")
    files.write("sys/fs/cgroup/user.slice/session.scope/memory.max", "max\n")
    files.write("sys/fs/cgroup/user.slice/memory.max", "1073741824\n")
    files.write("sys/fs/cgroup/user.slice/pids.max", "777\n")
    files.write("sys/fs/cgroup/user.slice/session.scope/cpu.max", "max 100000\n")
    assert doctor_facts.group(files.root) == Group(2, None, GIB, 777)


def test_a_container_of_version_2_is_at_the_top_of_what_it_sees(files):
    files.write("proc/self/cgroup", "0::/\n").write("sys/fs/cgroup/cpu.max", "150000 100000\n")
    assert doctor_facts.group(files.root).cpus == 1.5


V1 = "6:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc\n4:cpuset:/docker/abc\n3:pids:/docker/abc\n0::/docker/abc\n"


def test_a_container_of_version_1_may_not_see_the_path_that_it_is_told(files):
    files.write("proc/self/cgroup", V1)
    files.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n")
    files.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n")
    files.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    files.write("sys/fs/cgroup/pids/pids.max", "max\n")
    assert doctor_facts.group(files.root) == Group(1, 0.5, 256 << 20, None)


def test_version_1_writes_a_huge_number_and_minus_one_for_no_limit(files):
    files.write("proc/self/cgroup", V1)
    files.write("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n")
    files.write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n")
    files.write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n")
    assert doctor_facts.group(files.root) == Group(1, None, None, None)


def test_a_machine_that_tells_nothing_is_unknown_and_no_error(files):
    assert doctor_facts.group(files.root) == Group(None, None, None, None)
    assert (procfs.number(files.root / "proc/x"), procfs.text(files.root / "proc/x")) == (None, "")
    assert procfs.numbers("").get("MemTotal", 0) == 0


def test_a_cpu_that_proc_stat_hides_is_a_note_and_no_error():
    card = doctor.judge(changed(others={1: None}, steal=None))
    assert card.usable
    assert [one.name for one in card.hindrances] == ["/proc/stat"]
    assert "does not list CPU 1, on which we may run" in doctor.sentence(card.hindrances[0])


def test_memory_that_is_not_told_is_no_shortage():
    assert doctor.judge(replace(BARE, memory={})).hindrances == []


def test_this_machine_can_be_examined(tmp_path):
    facts = doctor_facts.read(tmp_path, ["quartet-none"])
    assert facts.missing_executables == ["quartet-none"]
    assert facts.available == sorted(os.sched_getaffinity(0))
    assert facts.memory["MemTotal"] > facts.memory["MemAvailable"] > 0
    assert facts.descriptors[1] >= facts.descriptors[0] > 0
    assert facts.tools["taskset"][0].isdigit()
    assert "quartet-none is not built" in shown(doctor.judge(facts)).replace("\n    ", " ")
    assert not processes._live


def test_a_machine_without_any_program_can_be_examined_too(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor_facts, "SYSTEM_PATH", "")
    card = doctor.examine(tmp_path)
    assert not card.usable
    fixes = {finding.fix for finding in card.hindrances}
    assert {f"apt-get install {package}" for package in ("wrk", "strace", "linux-perf", "util-linux")} <= fixes


def test_what_is_not_named_is_servers_and_pace(tmp_path):
    missing = " ".join(doctor.sentence(finding) for finding in doctor.examine(tmp_path).hindrances)
    assert "quartet-coroutines, quartet-epoll, quartet-fork, quartet-pace, quartet-threads are not built" in missing


def test_a_program_that_says_no_version_is_there_all_the_same(monkeypatch, tmp_path):
    (tmp_path / "h2o").write_text("#!/bin/sh\necho none\n")
    (tmp_path / "h2o").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert doctor_facts.version("h2o", "-v") == "unknown version"
