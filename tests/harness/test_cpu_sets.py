from __future__ import annotations

import pytest

from loadtest.cpu_sets import CpuSets, split


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
