"""loadtest/run, loadtest/quartet and setup.sh, as they are called: from anywhere, by any shell, with any terminal."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, eventually

HARMLESS = (["loadtest/run", "--dry-run"], ["loadtest/quartet", "list"])  # they build and start nothing
EXPECTED = {"loadtest/run": "rounds, about", "loadtest/quartet": "Contestants (--only, --peer)"}


def say(argv: list[str], where: Path = ROOT, **environment: str) -> tuple[int, str, str]:
    variables = {**os.environ, **environment}
    finished = subprocess.run(
        argv, cwd=where, env=variables, capture_output=True, text=True, errors="replace", timeout=300
    )
    return finished.returncode, finished.stdout, finished.stderr


@pytest.mark.parametrize(("script", "argument"), HARMLESS)
@pytest.mark.parametrize(
    "habit", ["CDPATH", "BASH_ENV", "POSIXLY_CORRECT", "GREP_OPTIONS", "GLOBIGNORE", "BASH_FUNC_cd%%", "PYTHONPATH"]
)
def test_the_callers_habits_do_not_matter(script, argument, habit, tmp_path):
    (tmp_path / "loadtest").mkdir()
    (tmp_path / "habits").write_text("cd() { echo astray; }; grep() { echo astray; }")
    values = {"CDPATH": str(tmp_path), "PYTHONPATH": str(tmp_path), "BASH_ENV": str(tmp_path / "habits")}
    values |= {"POSIXLY_CORRECT": "1", "GREP_OPTIONS": "-v", "GLOBIGNORE": "*", "BASH_FUNC_cd%%": "() { echo astray; }"}
    status, output, errors = say([script, argument], **{habit: values[habit]})
    assert (status, errors) == (0, "")
    assert EXPECTED[script] in output


@pytest.mark.parametrize(("script", "argument"), HARMLESS)
def test_a_script_may_be_called_by_a_link_from_a_folder_that_holds_another_harness(script, argument, tmp_path):
    (tmp_path / "loadtest").mkdir()
    (tmp_path / "loadtest/__init__.py").write_text("raise SystemExit('the other one')")
    (tmp_path / "a link").symlink_to(ROOT / script)
    status, output, errors = say(["./a link", argument], tmp_path)
    assert (status, errors) == (0, "")
    assert EXPECTED[script] in output


@pytest.mark.parametrize(("script", "argument"), HARMLESS)
def test_a_script_may_be_called_by_bash_in_a_path_with_blanks(script, argument, tmp_path):
    (tmp_path / "a clone").symlink_to(ROOT)
    status, output, errors = say(["bash", f"a clone/{script}", argument], tmp_path, CDPATH="/tmp")
    assert (status, errors) == (0, "")
    assert EXPECTED[script] in output


@pytest.mark.parametrize("script", ["tests/run", ".ci/run"])
def test_the_other_scripts_find_their_root_in_the_same_way(script):
    head = (ROOT / script).read_text().splitlines()[:6]
    assert head[0] == "#!/bin/bash -p"
    assert 'cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." || exit 1' in head


def test_tests_run_may_be_called_from_anywhere(tmp_path):
    (tmp_path / "link").symlink_to(ROOT / "tests/run")
    assert say(["./link", "--list"], tmp_path, CDPATH=str(tmp_path))[1].startswith("format\nlint\nbuild\n")


# --- terminals


def redirected(redirection: str, argv: list[str], **environment: str) -> tuple[int, str, str]:
    return say(["sh", "-c", f"{shlex.join(argv)} {redirection}"], **environment)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp437"])
def test_a_terminal_without_utf_8_gets_plain_lines(encoding):
    status, output, errors = say(["loadtest/quartet", "list"], PYTHONIOENCODING=encoding)
    assert (status, errors) == (0, "")
    assert "fork-per-request" in output


def test_lines_of_tables_are_dashes_where_there_are_no_better_ones():
    output = say(["loadtest/quartet", "list"], PYTHONIOENCODING="latin-1")[1]
    assert "-----" in output and "???" not in output


@pytest.mark.parametrize("locale", ["C", "POSIX", "nobodys"])
def test_no_locale_is_missed(locale):
    assert say(["loadtest/quartet", "list"], LC_ALL=locale)[0] == 0


@pytest.mark.parametrize(("script", "argument"), [*HARMLESS, *([script, "--help"] for script in EXPECTED)])
@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "No space left on"), (">&-", "Bad file descriptor")]
)
def test_a_stdout_that_takes_nothing_is_one_sentence(script, argument, redirection, reason):
    status, output, errors = redirected(redirection, [script, argument])
    assert (status, output) == (1, "")
    assert errors.startswith(f"{script}: cannot write to standard output: {reason}") and errors.count("\n") == 1


@pytest.mark.parametrize(("script", "argument"), HARMLESS)
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&-"])
def test_a_stderr_that_takes_nothing_and_a_closed_stdin_are_not_missed(script, argument, redirection):
    status, output, _ = redirected(redirection, [script, argument])
    assert status == 0
    assert EXPECTED[script] in output


def test_a_reader_that_has_left_gets_no_traceback(tmp_path):
    left = tmp_path / "left"
    script = f"{{ until [ -e {left} ]; do sleep 0.01; done; loadtest/quartet list; }} | {{ exec <&-; : >{left}; }}"
    status, _, errors = say(["sh", "-c", script])
    assert status == 0  # of the last command
    assert "Traceback" not in errors and errors.count("\n") <= 1


# --- Ctrl-C


@pytest.mark.parametrize("module", ["loadtest", "loadtest.cli"])
def test_ctrl_c_while_python_starts_is_130_without_a_word(module):
    """The scripts start it with SIGINT blocked."""

    def interrupt_at_once() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.kill(os.getpid(), signal.SIGINT)

    finished = subprocess.run(
        [sys.executable, "-P", "-m", module, "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        preexec_fn=interrupt_at_once,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (130, "", "")


@pytest.mark.parametrize(("script", "argument"), HARMLESS)
@pytest.mark.parametrize("delay", [0.0, 0.1, 0.2, 0.4])
def test_ctrl_c_in_the_first_second_shows_no_traceback(script, argument, delay):
    with subprocess.Popen(
        [script, argument],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            pass
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does; at the latest its zombie still has the number
        errors = process.communicate(timeout=60)[1]
    assert "Traceback" not in errors
    assert process.returncode in (0, 130, -signal.SIGINT)  # it was faster; ended; ended before it was a script of ours


def test_ctrl_c_amid_a_build_is_130_and_no_failed_build(tmp_path):
    script = (
        f"set -euo pipefail; source loadtest/setup.sh; quartet_root={tmp_path}; trap 'exit 130' INT; "
        f"quartet_configure() {{ exec sh -c ': >{tmp_path}/building; exec sleep 60'; }}; quartet_build x >&2"
    )
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert eventually((tmp_path / "building").exists)
    os.killpg(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=30)[1]
    assert (process.returncode, errors) == (130, "building x\n")
