from __future__ import annotations

import re

import pytest
import samples

from loadtest.contestants import contestants
from loadtest.contestants.contestants import Kind
from loadtest.contestants.peers import PEER_CONTESTANTS


def variant(command: str) -> contestants.Contestant:
    return contestants.described([contestants.variant(command)], samples.DESCRIBE)[0]


def test_an_unknown_contestant_is_an_error_that_names_the_known():
    with pytest.raises(
        ValueError,
        match="'apache'; there are fork-per-request, fork-per-connection, prefork, threads, coroutines, epoll",
    ):
        contestants.select(["epoll", "apache"], contestants.MODELS)


def test_no_workload_says_how_long_it_takes_which_is_the_machines_to_say():
    assert not [one.needs for one in contestants.WORKLOADS if re.search(r"\d+ [um]?s\b", one.needs)]


def test_every_model_has_a_bare_server_and_every_peer_a_model():
    names = {model.name for model in contestants.MODELS}
    assert {bare.model for bare in contestants.BARE} == names
    assert {peer.model for peer in PEER_CONTESTANTS} <= names


def test_a_bare_server_has_the_command_line_of_its_server():
    line = contestants.command_line(samples.BY_NAME["bare-prefork"], workers=18, cpus=1)
    assert line == ["bare-fork", *contestants.command_line(samples.BY_NAME["prefork"], workers=18, cpus=1)[1:]]
    assert samples.BY_NAME["bare-fork-per-request"].arguments == ("--mode", "per-request")


def test_a_variant_is_one_of_our_servers_with_options_of_the_users_choice():
    one = variant("quartet-epoll --keep-alive-timeout 1s")
    assert (one.kind, one.model, one.known.pool) == (Kind.variant, "epoll", False)
    assert contestants.command_line(one, workers=18, cpus=1) == [
        *("quartet-epoll", "--keep-alive-timeout", "1s"),
        *("--listen", "127.0.0.1:0"),
    ]


@pytest.mark.parametrize(
    ("command", "model"),
    [
        ("quartet-fork", "prefork"),
        ("quartet-fork --mode per-request", "fork-per-request"),
        ("quartet-fork --mode=per-connection", "fork-per-connection"),
    ],
)
def test_a_variant_of_the_fork_server_is_of_the_model_that_its_mode_says(command, model):
    assert variant(command).model == model


@pytest.mark.parametrize("command", ["", "nginx", "quartet-epoll 'open", "quartet-epoll --listen 127.0.0.1:80"])
def test_what_is_no_variant_is_refused_with_a_sentence(command):
    with pytest.raises(ValueError, match="^--variant "):
        contestants.variant(command)


def test_a_pool_gets_its_workers_unless_the_variant_says_how_many():
    assert contestants.command_line(samples.BY_NAME["threads"], workers=18, cpus=1)[-2:] == ["--workers", "18"]
    chosen = variant("quartet-threads --workers 4")
    assert contestants.command_line(chosen, workers=18, cpus=1).count("--workers") == 1


@pytest.mark.parametrize("name", ["coroutines", "fibers"])
def test_what_waits_in_user_space_gets_a_thread_for_each_cpu_of_the_budget(name):
    assert "--workers" not in contestants.command_line(samples.BY_NAME[name], workers=18, cpus=1)
    assert contestants.command_line(samples.BY_NAME[name], workers=18, cpus=2)[-2:] == ["--workers", "2"]


@pytest.mark.parametrize("cpus", [1, 3])
def test_multiprocess_has_a_process_for_each_cpu_of_the_budget(cpus):
    line = contestants.command_line(samples.BY_NAME["multiprocess"], workers=18, cpus=cpus)
    assert line[-2:] == ["--workers", str(cpus)]


@pytest.mark.parametrize("cpus", [1, 3])
def test_helpers_keep_their_number_of_threads(cpus):
    assert "--workers" not in contestants.command_line(samples.BY_NAME["helpers"], workers=18, cpus=cpus)
    chosen = variant("quartet-helpers --workers 2")
    assert contestants.command_line(chosen, workers=18, cpus=cpus).count("--workers") == 1
