from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.system import procfs


def test_a_file_that_is_hidden_is_empty_and_no_number(tmp_path: Path) -> None:
    assert (procfs.text(tmp_path / "none"), procfs.number(tmp_path / "none")) == ("", None)


@pytest.mark.parametrize(("text", "number"), [("42\n", 42), ("-1\n", -1), ("max\n", None), ("\n", None)])
def test_a_word_in_place_of_a_number_is_none(tmp_path: Path, text: str, number: int | None) -> None:
    (tmp_path / "limit").write_text(text)
    assert procfs.number(tmp_path / "limit") == number


def test_kibibytes_are_read_as_bytes_and_a_line_without_a_number_is_none() -> None:
    found = procfs.numbers("Name:\tx\nGroups:\t \n7\nVmPTE:\t   44 kB\nTracerPid:\t0\nanon 5\n")
    assert found == {"VmPTE": 44 * 1024, "TracerPid": 0, "anon": 5}


def test_names_and_numbers_take_turns_on_the_line_of_their_protocol() -> None:
    assert procfs.pairs("TCP6: inuse 1\nTCP: inuse 3 tw 7\n", "TCP") == {"inuse": 3, "tw": 7}
    assert procfs.pairs("", "TCP") == {}


def test_a_controller_is_found_below_the_name_of_its_whole_hierarchy() -> None:
    found = procfs.memberships("4:cpu,cpuacct:/docker/x\n0::/init\n")
    assert found == {"cpu": "cpu,cpuacct/docker/x", "cpuacct": "cpu,cpuacct/docker/x", "": "init"}
