from __future__ import annotations

import pytest

from loadtest.system.cpus import CpuSets, parse_pin, split


def test_server_and_load_get_separate_cpus():
    assert split({2, 5, 7}) == CpuSets(server=(7,), load=(2,))
    assert not split({2, 5, 7}).shared


def test_on_one_cpu_they_share_it_and_know():
    assert split({3}) == CpuSets((3,), (3,))
    assert split({3}).shared


def test_a_larger_budget_has_a_larger_load_as_far_as_there_are_cpus():
    assert split(set(range(8)), 2) == CpuSets((6, 7), (0, 1))
    assert split(set(range(3)), 2) == CpuSets((1, 2), (0,))


def test_a_budget_of_all_cpus_shares_one_with_the_load():
    assert split({0, 1}, 2).shared


def test_a_budget_beyond_the_machine_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="--cpus 3: there are 2 here"):
        split({0, 1}, 3)


def test_pinned_cpus_are_lists_and_ranges():
    assert parse_pin("2-3:0,1", {0, 1, 2, 3}) == CpuSets((2, 3), (0, 1))
    assert parse_pin("1:1", {0, 1}).shared


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1", "--pin 1: expected the server's CPUs and the load's, such as 1:0"),
        ("1:", "--pin 1:: '' is no CPU and no range of them"),
        ("3-2:0", "--pin 3-2:0: '3-2' is no CPU"),
        ("a:0", "--pin a:0: 'a' is no CPU"),
        ("1:7", "--pin 1:7: there is no CPU 7 for us here; there are 0, 1"),
    ],
)
def test_pins_that_make_no_sense_are_errors_that_say_so(text, sentence):
    with pytest.raises(ValueError) as caught:
        parse_pin(text, {0, 1})
    assert sentence in str(caught.value)
