from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.system import MeasurementError, memory
from loadtest.system.memory import Group, GroupMemory

FIXTURES = Path(__file__).with_name("cgroup")
CONTAINER = "f54340367ab181c3d2253d5cb23ee7627ff4877680290cece44f03207ae1f064"


@pytest.fixture(params=[1, 2])
def group(request) -> Group:
    directory = FIXTURES / f"v{request.param}"
    return Group(request.param, directory, directory)


def test_memory_of_version_1_has_one_sum_of_kernel_memory():
    group = Group(1, FIXTURES / "v1", FIXTURES / "v1")
    assert group.memory_now() == GroupMemory(current=3919872, anonymous=1114112, file=454656, kernel=2043904, sockets=0)


def test_memory_of_version_2():
    group = Group(2, FIXTURES / "v2", FIXTURES / "v2")
    assert group.memory_now() == GroupMemory(
        current=5234688, anonymous=1179648, file=1449984, kernel=2281472, sockets=12288
    )


@pytest.mark.parametrize(
    ("version", "usage", "stat"),
    [
        (1, "memory.usage_in_bytes", "total_rss 2\ntotal_cache 3\n"),
        (2, "memory.current", "anon 2\nfile 3\nslab 4\n"),
    ],
)
def test_kernel_memory_that_is_not_counted_is_unknown(tmp_path, version, usage, stat):
    (tmp_path / usage).write_text("1\n")
    (tmp_path / "memory.stat").write_text(stat)
    assert Group(version, tmp_path, tmp_path).memory_now() == GroupMemory(1, 2, 3, None, None)


def test_cpu_time_is_in_seconds():
    assert Group(1, FIXTURES, FIXTURES / "v1").cpu_seconds() == pytest.approx(0.049615285)
    assert Group(2, FIXTURES, FIXTURES / "v2").cpu_seconds() == pytest.approx(0.049615)


def test_oom_kills_are_counted_not_the_times_that_memory_was_short():
    assert Group(1, FIXTURES / "v1", FIXTURES).oom_kills() == 0
    assert Group(2, FIXTURES / "v2", FIXTURES).oom_kills() == 2


def test_processes_of_a_group_that_is_gone_are_none(tmp_path):
    """Between two starts of a container its group is not there."""
    group = Group(1, tmp_path / "group", tmp_path / "group")
    assert group.processes() == []
    group.memory.mkdir()
    (group.memory / "cgroup.procs").write_text("12\n7\n")
    assert group.processes() == [12, 7]


@pytest.mark.parametrize("read", [Group.memory_now, Group.cpu_seconds, Group.oom_kills])
def test_a_group_that_is_gone_is_an_error(group, read, tmp_path):
    with pytest.raises(MeasurementError, match="cannot be read: .*No such file"):
        read(Group(group.version, tmp_path / "gone", tmp_path / "gone"))


def test_a_file_of_another_format_is_an_error(tmp_path):
    for name in ("memory.current", "memory.stat"):
        (tmp_path / name).write_text("nonsense\n")
    with pytest.raises(MeasurementError, match="cannot be read"):
        Group(2, tmp_path, tmp_path).memory_now()


def membership(version: int) -> str:
    return (FIXTURES / f"v{version}" / "membership").read_text()


def test_the_group_of_version_1_has_a_directory_for_each_controller():
    group = memory.parse_membership(membership(1), Path("/cg"))
    assert group == Group(1, Path(f"/cg/memory/docker/{CONTAINER}"), Path(f"/cg/cpuacct/docker/{CONTAINER}"))


def test_controllers_of_version_1_that_share_a_hierarchy_share_its_name():
    group = memory.parse_membership("4:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n0::/docker/x\n", Path("/cg"))
    assert group.cpu == Path("/cg/cpu,cpuacct/docker/x")


def test_the_group_of_version_2_is_one_directory():
    directory = Path(f"/cg/system.slice/docker-{CONTAINER}.scope")
    assert memory.parse_membership(membership(2), Path("/cg")) == Group(2, directory, directory)


def test_a_mixture_of_versions_is_an_error():
    with pytest.raises(MeasurementError, match="neither of version 1 nor of version 2"):
        memory.parse_membership("3:memory:/docker/x\n0::/docker/x\n", Path("/cg"))


class Machine:
    """Its /proc and /sys/fs/cgroup, with one container's process 77."""

    def __init__(self, directory: Path, membership: str) -> None:
        self.proc, self.root = directory / "proc", directory / "cg"
        (self.proc / "77").mkdir(parents=True)
        (self.proc / "77" / "cgroup").write_text(membership)

    def find(self, container: str = CONTAINER, pid: int = 77) -> Group:
        return memory.find_group(pid, container, self.proc, self.root)


def test_a_container_is_found_by_its_process(tmp_path):
    machine = Machine(tmp_path, membership(2))
    directory = machine.root / f"system.slice/docker-{CONTAINER}.scope"
    directory.mkdir(parents=True)
    assert machine.find() == Group(2, directory, directory)


def test_a_process_of_the_same_number_that_is_not_the_containers_is_an_error(tmp_path):
    with pytest.raises(MeasurementError, match="process 77 is not the container's here"):
        Machine(tmp_path, "0::/user.slice/session-1.scope\n").find()


def test_a_process_that_cannot_be_seen_is_an_error(tmp_path):
    with pytest.raises(MeasurementError, match="cannot be seen from here"):
        Machine(tmp_path, membership(2)).find(pid=78)


def test_a_group_that_is_not_mounted_here_is_an_error(tmp_path):
    with pytest.raises(MeasurementError, match="control group cannot be read: .*scope"):
        Machine(tmp_path, membership(2)).find().cpu_seconds()
