"""The packages by release, the base image, and what says so when a release has no such thing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import ROOT, eventually

BOOKWORM = "bookworm Debian GNU/Linux 12 (bookworm)"
TRIXIE = "trixie Debian GNU/Linux 13 (trixie)"
UNTRIED = "noble Ubuntu 24.04 LTS"


def bash(script: str, release: str = TRIXIE, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """With setup.sh's functions, on that release."""
    setup = f"source {ROOT}/loadtest/setup.sh; quartet_os() {{ echo '{release}'; }}; {script}"
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None
    return subprocess.run(["bash", "-c", setup, "setup"], env=environment, capture_output=True, text=True, timeout=30)


def called(name: str, release: str) -> list[str]:
    return bash(f'quartet_called "${{quartet_{name}_packages[@]}}"', release).stdout.split()


@pytest.mark.parametrize(
    ("release", "parser", "boost"),
    [(BOOKWORM, "node-llhttp", "libboost1.81-dev"), (TRIXIE, "libllhttp-dev", "libboost-dev")],
)
def test_a_package_has_the_name_that_its_release_gives_it(release, parser, boost):
    assert parser in called("build", release)
    assert boost in called("peers", release)
    assert "llhttp" not in called("build", release)


@pytest.mark.parametrize(
    ("release", "missing", "context"),
    [
        (BOOKWORM, "libboost1.74-dev", "libboost-context1.81-dev"),
        (BOOKWORM, "", "libboost-context1.74-dev"),
        (TRIXIE, "libboost1.74-dev", "libboost-context-dev"),
        (TRIXIE, "", "libboost-context-dev"),
    ],
)
def test_boost_context_is_of_the_version_whose_headers_exclude_the_others(release, missing, context):
    said = bash(f"quartet_missing() {{ echo {missing}; }}; quartet_called boost-context", release)
    assert (said.stdout, said.stderr) == (f"{context}\n", "")


def test_what_a_release_does_not_have_is_not_installed_there():
    assert "h2o" in called("peers", BOOKWORM)
    assert "h2o" not in called("peers", TRIXIE)
    assert "docker-cli" not in called("engine", BOOKWORM)
    assert "docker-cli" in called("engine", TRIXIE)


def test_a_peer_that_a_release_does_not_have_is_left_out_with_a_sentence():
    said = bash('quartet_say_absent "${quartet_peers_packages[@]}" "${quartet_tests_packages[@]}"').stderr
    assert said == "setup: h2o is left out: Debian GNU/Linux 13 (trixie) does not have it\n"


def test_a_package_that_is_required_and_that_a_release_does_not_have_ends_it():
    refused = bash("quartet_require nginx h2o; echo installing")
    assert (refused.returncode, refused.stdout) == (5, "")
    assert refused.stderr == (
        "setup: Debian GNU/Linux 13 (trixie) has no package h2o: measure without it, or install it by hand\n"
    )


def test_required_packages_that_a_release_has_are_no_hindrance():
    assert bash("quartet_require nginx h2o && echo installing", BOOKWORM).stdout == "installing\n"
    assert bash("quartet_require && echo installing").stdout == "installing\n"


def test_every_peer_is_there_on_debian_12():
    assert bash('quartet_say_absent "${quartet_peers_packages[@]}"', BOOKWORM).stderr == ""


def test_an_untried_release_gets_the_newest_names_and_a_sentence():
    assert "libllhttp-dev" in called("build", UNTRIED)
    assert bash("quartet_say_untried", UNTRIED).stderr == (
        "setup: Quartet has not been tried on Ubuntu 24.04 LTS: taking the package names of Debian trixie\n"
    )
    assert bash("quartet_say_untried", TRIXIE).stderr == ""


def test_every_name_that_differs_is_a_package_of_a_set_and_has_one_word_for_each_release():
    sets = "compgen -A arrayvar | grep -E '^quartet_.*_packages$'"
    everything = bash(f'for set in $({sets}); do declare -n all=$set; echo "${{all[@]}}"; done').stdout.split()
    listed = bash('for name in "${!quartet_names[@]}"; do echo $name ${quartet_names[$name]}; done').stdout
    assert len(listed.splitlines()) >= 6
    for line in listed.splitlines():
        name, *by_release = line.split()
        assert name in everything
        assert len(by_release) == 2


@pytest.fixture
def clang(tmp_path: Path) -> Path:
    """A clang-format of another version."""
    tool = tmp_path / "clang-format"
    tool.write_text("#!/bin/sh\necho 'Debian clang-format version 19.1.7 (3+b1)'\n")
    tool.chmod(0o755)
    return tmp_path


JUDGE = "source <(sed -n '/^not_run=/,/^}/p' tests/run); judge_is_here"


def test_another_clang_than_the_sources_follow_does_not_judge_them(clang):
    refused = bash(f"cd {ROOT}; {JUDGE} clang-format", path=clang)
    assert refused.returncode == 77
    assert refused.stdout == "NOT RUN: the sources follow clang-format 14, and here is version 19\n"


def test_a_clang_that_is_not_here_does_not_judge():
    refused = bash(f"cd {ROOT}; {JUDGE} clang-nonsense")
    assert refused.returncode == 77
    assert refused.stdout == "NOT RUN: the sources follow clang-nonsense 14, and here is none\n"


def test_the_base_image_is_made_of_the_release_that_the_dockerfile_names():
    help_text = subprocess.run([ROOT / "docker/base-image", "--help"], capture_output=True, text=True).stdout
    assert "by default that of docker/Dockerfile, which is trixie\n" in help_text


@pytest.mark.parametrize("arguments", [["trixie", "bookworm"], ["--output"], ["--release", "trixie"], [""]])
def test_base_image_refuses_what_it_does_not_know(arguments):
    refused = subprocess.run([ROOT / "docker/base-image", *arguments], capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stderr.endswith("see docker/base-image --help\n")


# --- progress, and what is built


def progress(*lines: str) -> str:
    """Said of what CMake and ninja print, to somebody who is no terminal."""
    return bash(f"printf '%s\\n' {' '.join(map(repr, lines))} | quartet_show_progress").stderr


def test_a_build_that_nobody_watches_says_how_far_it_is_and_not_with_every_file():
    steps = [f"[{number}/87] Building CXX object a.o" for number in range(1, 88)]
    assert progress("-- Configuring done", *steps) == "building, step 1 of 87\n"


def test_a_build_that_takes_long_says_how_far_it_is_again():
    said = bash("{ echo '[1/87] a'; sleep 1.2; echo '[80/87] b'; } | quartet_progress_seconds=1 quartet_show_progress")
    assert said.stderr == "building, step 1 of 87\nbuilding, step 80 of 87\n"


def test_a_build_with_nothing_to_do_says_nothing_of_steps():
    assert progress("[0/1] Re-running CMake...", "ninja: no work to do.") == ""


def test_a_peer_without_its_library_is_no_target_and_everything_else_is(tmp_path):
    (tmp_path / "ninja").write_text("#!/bin/sh\n[ $5 = peer-beast ]\n")
    (tmp_path / "ninja").chmod(0o755)
    said = bash("quartet_targets x quartet-programs bare-epoll peer-beast peer-microhttpd", path=tmp_path)
    assert said.stdout.split() == ["quartet-programs", "bare-epoll", "peer-beast"]


def test_what_is_needed_is_installed_and_then_built():
    tell = "quartet_install() { echo install $*; }; quartet_build() { echo build $*; }"
    said = bash(f"{tell}; quartet_provide build wrk -- release quartet-programs -- asan a b; quartet_provide wrk")
    assert said.stdout == "install build wrk\nbuild release quartet-programs\nbuild asan a b\ninstall wrk\n"


def test_a_build_that_fails_is_the_last():
    tell = "quartet_install() { :; }; quartet_build() { echo build $*; return 7; }"
    said = bash(f"{tell}; quartet_provide wrk -- release a -- asan b || echo $?")
    assert said.stdout == "build release a\n7\n"


# --- what draws the plots of a page


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A checkout, with an npm beside it that fetches a file in place of 80 packages, and tells that it was called."""
    (tmp_path / "loadtest/page").mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        (tmp_path / "loadtest/page" / name).write_text("first")
    npm(tmp_path, "mkdir node_modules; cp package-lock.json node_modules/fetched")
    return tmp_path


def npm(page: Path, script: str) -> None:
    (page / "npm").write_text(f"#!/bin/sh\necho $* >>{page}/calls\n{script}\n")
    (page / "npm").chmod(0o755)


def fetch(page: Path) -> tuple[int, str]:
    said = bash(f"set -euo pipefail; quartet_root={page}; quartet_fetch_page", path=page)
    assert said.stdout == ""
    return said.returncode, said.stderr


def test_what_draws_the_plots_is_fetched_once_and_again_when_its_lockfile_has_changed(page):
    fetched = page / "build/page/node_modules/fetched"
    for lockfile, calls in (("first", 1), ("first", 1), ("second", 2)):
        (page / "loadtest/page/package-lock.json").write_text(lockfile)
        assert fetch(page)[0] == 0
        assert fetched.read_text() == lockfile
        assert len((page / "calls").read_text().splitlines()) == calls
    assert [one.name for one in (page / "build").iterdir()] == ["page"]


def test_no_program_of_what_is_fetched_runs(page):
    fetch(page)
    assert (page / "calls").read_text().startswith("ci --ignore-scripts ")


def test_what_has_failed_is_tried_again_after_a_day_or_with_another_lockfile_and_told_until_then(page):
    npm(page, "echo 'npm error network no such host' >&2; exit 1")
    sentence = "setup: the plots of the report are drawn small: npm cannot fetch what draws them: no such host"
    marker = page / "build/page.failed"
    calls = lambda: len((page / "calls").read_text().splitlines())  # noqa: E731
    assert (fetch(page)[1].splitlines()[1:], calls()) == ([sentence], 1)
    assert (fetch(page), calls()) == ((0, f"{sentence}\n"), 1)
    os.utime(marker, (time.time() - 90_000,) * 2)
    assert (fetch(page)[0], calls()) == (0, 2)
    (page / "loadtest/page/package-lock.json").write_text("second")
    npm(page, "mkdir node_modules")
    assert (fetch(page)[0], calls()) == (0, 3)
    assert [one.name for one in (page / "build").iterdir()] == ["page"]


def test_ctrl_c_ends_a_fetch_at_once_and_it_counts_as_no_failure(page):
    npm(page, "exec sleep 60")
    script = f"trap 'exit 130' INT; source {ROOT}/loadtest/setup.sh; quartet_root={page}; quartet_fetch_page"
    process = subprocess.Popen(
        ["bash", "-c", script, "setup"],
        env={**os.environ, "PATH": f"{page}:{os.environ['PATH']}"},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert eventually((page / "calls").exists)
        time.sleep(0.3)  # until it sleeps
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=20) == 130
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert list((page / "build").iterdir()) == []


def test_for_the_page_nobody_is_asked_for_a_password_and_no_package_lists_are_fetched(page):
    fake = (
        "command() { [[ $2 != npm ]]; }; sudo() { echo sudo $*; return 1; }; quartet_missing() { echo npm; }; "
        "quartet_fitting() { echo npm; }; quartet_apt_reason() { cat; }"
    )
    environment = f"set -euo pipefail; quartet_root={page}; {fake}"
    said = bash(f"{environment}; quartet_is_root() {{ return 1; }}; quartet_fetch_page; echo on", path=page)
    assert said.stdout == "on\n" and "apt-get" in said.stderr
    assert said.stderr.count("sudo -n env") == 1 and " update" not in said.stderr


def test_a_fetch_that_fails_is_told_in_a_sentence_and_leaves_what_was_there(page):
    fetch(page)
    (page / "loadtest/page/package-lock.json").write_text("second")
    error = "npm error code ENOTFOUND\nnpm error network request failed: no such host\nnpm error network more"
    npm(page, f"mkdir node_modules; printf '{error}' >&2; exit 1")
    status, errors = fetch(page)
    sentence = "setup: the plots of the report are drawn small: npm cannot fetch what draws them: "
    assert (status, errors.splitlines()[1:]) == (0, [f"{sentence}request failed: no such host"])
    assert (page / "build/page/node_modules/fetched").read_text() == "first"
    assert sorted(one.name for one in (page / "build").iterdir()) == ["page", "page.failed"]


def test_without_npm_and_where_it_cannot_be_installed_the_run_goes_on(page):
    install = "quartet_install() { echo install $* >&2; exit 5; }; command() { return 1; }"
    said = bash(f"set -euo pipefail; quartet_root={page}; {install}; quartet_fetch_page; echo on", path=page)
    assert (said.returncode, said.stdout) == (0, "on\n")
    assert said.stderr == "install page\nsetup: without npm the plots of the report are drawn small\n"
