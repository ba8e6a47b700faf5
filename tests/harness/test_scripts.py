"""loadtest/run, loadtest/quartet and setup.sh, as they are called: from anywhere, by any shell, with any terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, eventually

from loadtest.engine import provision
from loadtest.engine.run import Exit, Stop

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


# --- what is installed and built, and when


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the harness on a machine with the harness's own packages, and with the peers before whose installation
    the machine itself is changed. What would install or build writes down how it was called, and fails."""
    there, stubs = tmp_path / "clone", tmp_path / "stubs"
    shutil.copytree(ROOT / "loadtest", there / "loadtest", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "common/faults", there / "common/faults")
    stubs.mkdir()
    installed = subprocess.check_output(
        [
            "bash",
            "-c",
            f"source {ROOT}/loadtest/setup.sh; echo ${{quartet_harness_packages[*]}} ${{quartet_services[*]}}",
        ],
        text=True,
    )
    refuse = f"#!/bin/sh\necho ${{0##*/}} $* >>{tmp_path}/calls\nexit 1\n"
    list_installed = f"#!/bin/sh\nprintf '%s installed\\n' {installed}"
    for name, text in {"apt-get": refuse, "cmake": refuse, "sudo": refuse, "dpkg-query": list_installed}.items():
        (stubs / name).write_text(text)
        (stubs / name).chmod(0o755)
    return there


def on_a_fresh_machine(clone: Path, *argv: str) -> tuple[int, str, list[str]]:
    """Exit status, stderr, and who was called to install or build."""
    path = f"{clone.parent}/stubs:{os.environ['PATH']}"
    status, output, errors = say([str(clone / argv[0]), *argv[1:]], clone, PATH=path)
    assert output == ""
    calls = clone.parent / "calls"
    return status, errors, calls.read_text().splitlines() if calls.exists() else []


WRONG = {
    "there is no contestant 'nonsense'": ["throughput", "--peer", "nonsense"],
    "there is no contestant 'nobody'": ["throughput", "--preset", "yardstick", "--only", "nobody"],
    "--all and --only epoll: give one of them": ["memory", "--all", "--only", "epoll"],
    "--all and --only prefork: give one of them": ["crash", "--fault", "segv", "--all", "--only", "prefork"],
    "--all and --only threads: give one of them": ["run", "--all", "--only", "threads"],
    "--all and --only coroutines: give one of them": ["tour", "--all", "--only", "coroutines"],
    "there is no preset 'yard'": ["latency", "--preset", "yard"],
    "--rate 0: expected 1 to": ["latency", "--rate", "0"],
    "--connections x: expected whole numbers": ["memory", "-c", "x"],
    "--path plaintext: expected a path": ["walk", "--path", "plaintext"],
    "No such command 'trouhgput'": ["trouhgput"],
}


@pytest.mark.parametrize("sentence", WRONG)
def test_a_wrong_word_is_refused_before_anything_is_installed_or_built(sentence, clone):
    status, errors, calls = on_a_fresh_machine(clone, "loadtest/quartet", *WRONG[sentence])
    assert (status, calls) == (2, [])
    assert sentence in errors and "installing" not in errors and "building" not in errors


def test_the_main_job_refuses_a_wrong_word_before_anything_is_installed_or_built(clone):
    status, errors, calls = on_a_fresh_machine(clone, "loadtest/run", "--only", "nginx")
    assert (status, calls) == (2, [])
    assert "there is no contestant 'nginx'" in errors


@pytest.mark.parametrize(
    ("argv", "wanted", "unwanted"),
    [
        (["loadtest/run"], {"g++", "wrk"}, {"strace", "linux-perf", "apache2-bin", "libgtest-dev"}),
        (["loadtest/quartet", "throughput"], {"g++", "wrk", "linux-perf"}, {"apache2-bin"}),
        (["loadtest/quartet", "throughput", "--only", "nginx"], {"g++", "wrk", "apache2-bin"}, {"libgtest-dev"}),
        (["loadtest/quartet", "throughput", "--bin", "/bin"], {"wrk", "linux-perf"}, {"g++", "cmake"}),
        (["loadtest/quartet", "throughput", "--client", "pace"], {"g++", "linux-perf"}, {"wrk"}),
        (["loadtest/quartet", "latency"], {"g++", "linux-perf"}, {"wrk"}),
        (["loadtest/quartet", "latency", "--sweep", "--slo", "p99=5ms"], {"g++"}, {"wrk"}),
        (["loadtest/quartet", "walk"], {"g++", "strace"}, {"wrk", "apache2-bin"}),
        (["loadtest/quartet", "memory"], {"g++"}, {"wrk", "strace", "apache2-bin"}),
    ],
)
def test_what_is_installed_is_what_was_asked_for(argv, wanted, unwanted, clone):
    status, errors, calls = on_a_fresh_machine(clone, *argv)
    installed = next(call.split() for call in calls if " install " in call and "--simulate" not in call)
    assert status == 5
    assert f"{argv[0]}: cannot install the Debian packages" in errors
    assert wanted <= set(installed) and not unwanted & set(installed)
    assert not (clone / "results").exists() or not list((clone / "results").iterdir())


MODELS = "quartet-coroutines quartet-epoll quartet-fork quartet-threads"
BARE = "bare-coroutines bare-epoll bare-fork bare-threads"
COMBINED = "quartet-fibers quartet-helpers quartet-multiprocess"


def built(clone: Path, *argv: str) -> list[str]:
    """The targets. All packages are there."""
    everything = 'shift 3; printf "%s installed\\n" "$@"'  # --show --showformat FORMAT PACKAGE...
    (clone.parent / "stubs/dpkg-query").write_text(f"#!/bin/sh\n{everything}\n")
    configure = '[ "$1" = --build ] || exit 0'
    stub = f"#!/bin/sh\n{configure}\necho cmake $* >>{clone.parent}/calls\nexit 1\n"
    (clone.parent / "stubs/cmake").write_text(stub)
    status, errors, [call] = on_a_fresh_machine(clone, *argv)
    assert (status, "building release" in errors, f"{argv[0]}: cannot build the preset" in errors) == (1, True, True)
    return call.partition(" --target ")[2].split()


@pytest.mark.parametrize(
    ("argv", "targets"),
    [
        ("loadtest/run --smoke", f"{MODELS} quartet-pace quartet-programs"),
        ("loadtest/run --smoke --all", f"{COMBINED} {MODELS} quartet-pace quartet-programs"),
        ("loadtest/quartet throughput", f"{MODELS} quartet-pace"),
        ("loadtest/quartet throughput --all", f"{COMBINED} {MODELS} quartet-pace"),
        ("loadtest/quartet walk --only bare-helpers", "bare-helpers quartet-helpers"),
        ("loadtest/quartet walk --only bare-fibers", "bare-fibers quartet-fibers"),
        ("loadtest/quartet memory --only epoll,prefork", "quartet-epoll quartet-fork quartet-pace"),
        ("loadtest/quartet walk --only epoll", "quartet-epoll"),
        ("loadtest/quartet schedulers --only fibers-edf,epoll", "quartet-epoll quartet-fibers quartet-pace"),
        ("loadtest/quartet walk --only bare-epoll", "bare-epoll quartet-epoll"),
        ("loadtest/quartet latency --only nginx", "quartet-epoll quartet-pace"),
        ("loadtest/quartet throughput --preset yardstick", f"{MODELS} {BARE} quartet-pace"),
    ],
)
def test_what_is_built_is_what_is_used_and_what_readme_shows_after_the_main_job(argv, targets, clone):
    assert sorted(built(clone, *argv.split())) == sorted(targets.split())


def test_a_peer_that_a_release_does_not_have_is_refused_before_anything_is_installed_or_built(clone):
    peers, setup = clone / "loadtest/contestants/peers.py", clone / "loadtest/setup.sh"
    peers.write_text(peers.read_text().replace("/usr/bin/h2o", "/nowhere/h2o"))
    setup.write_text(f"{setup.read_text()}\nquartet_os() {{ echo trixie Debian 13; }}\n")
    status, errors, calls = on_a_fresh_machine(clone, "loadtest/quartet", "throughput", "--peer", "h2o")
    assert (status, calls) == (5, [])
    assert errors == "loadtest/quartet: Debian 13 has no package h2o: measure without it, or install it by hand\n"
    status, errors, calls = on_a_fresh_machine(clone, "loadtest/quartet", "throughput", "--preset", "yardstick")
    assert errors.startswith("loadtest/quartet: h2o is left out: this release has no package of it\n")
    assert calls, "it goes on"


@pytest.mark.parametrize("argv", [["loadtest/run", "--dry-run"], ["loadtest/quartet", "list"]])
def test_what_measures_nothing_installs_and_builds_nothing(argv, clone):
    say([str(clone / argv[0]), *argv[1:]], clone, PATH=f"{clone.parent}/stubs:{os.environ['PATH']}")
    assert not (clone.parent / "calls").exists()


NEEDS = provision.Needs(("wrk",), ("quartet-programs",))


def provide(setup: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs: provision.Needs = NEEDS) -> None:
    """With that in place of setup.sh."""
    (tmp_path / "setup.sh").write_text(f"quartet_require() {{ :; }}\n{setup}")
    monkeypatch.setattr(provision, "SETUP", tmp_path / "setup.sh")
    provision.provide(needs)


def test_without_the_scripts_nothing_is_installed_or_built(tmp_path, monkeypatch):
    monkeypatch.delenv(provision.ASKED, raising=False)
    provide(f": >{tmp_path}/called", tmp_path, monkeypatch)
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    ("status", "end", "words"), [(5, Exit.environment, ""), (1, Exit.failed, ""), (77, Exit.failed, "with status 77")]
)
def test_what_cannot_be_provided_ends_the_run_as_setup_says(status, end, words, tmp_path, monkeypatch):
    monkeypatch.setenv(provision.ASKED, "1")
    with pytest.raises(Stop) as caught:
        provide(f"quartet_provide() {{ return {status}; }}", tmp_path, monkeypatch)
    assert caught.value.status == end and str(caught.value).endswith(words)


@pytest.mark.parametrize("needs", [NEEDS, provision.Needs((), ())])
def test_what_draws_the_page_is_fetched_for_every_run(needs, tmp_path, monkeypatch):
    monkeypatch.setenv(provision.ASKED, "1")
    setup = f"quartet_provide() {{ :; }}; quartet_fetch_page() {{ : >{tmp_path}/fetched; }}"
    provide(setup, tmp_path, monkeypatch, needs)
    assert (tmp_path / "fetched").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_amid_an_installation_waits_for_its_end_and_measures_nothing(number, clone, tmp_path):
    waits = f"#!/bin/sh\ntrap '' INT TERM\n: >{tmp_path}/installing\nsleep 1\n: >{tmp_path}/installed\n"
    (tmp_path / "stubs/apt-get").write_text(waits)
    (tmp_path / "stubs/sudo").write_text('#!/bin/sh\nexec "$@"\n')
    process = subprocess.Popen(
        [str(clone / "loadtest/quartet"), "throughput", "--bin", str(tmp_path)],
        env={**os.environ, "PATH": f"{tmp_path}/stubs:{os.environ['PATH']}"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert eventually((tmp_path / "installing").exists)
    send = os.killpg if number == signal.SIGINT else os.kill  # a terminal's Ctrl-C reaches all, a kill one
    send(process.pid, number)
    errors = process.communicate(timeout=30)[1]
    assert (process.returncode, (tmp_path / "installed").exists()) == (130, True)
    assert "Traceback" not in errors
