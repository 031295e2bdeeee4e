"""What every command has in common: help, JSON, exit codes, and what becomes of a bug."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster
from tests.support import Unavailable
from userconda import __version__, errors
from userconda.cli import COMMANDS as FIRST_WORDS
from userconda.cli import GROUPS, main
from userconda.cli.boundary import group

#: Every command, those of two words too.
COMMANDS = [
    name
    for first in FIRST_WORDS
    for name in ([f"{first} {second}" for second in group(first)] if first in GROUPS else [first])
]

#: Words with which each command succeeds, and with which it fails.
GOOD = {
    "setup": ["setup"],
    "env": ["env", "bash"],
    "hook": ["hook", "bash"],
    "clone": ["clone", "py3_powerai_1.7.0", "mine"],
    "list": ["list"],
    "info": ["info", "py3_powerai_1.7.0"],
    "thaw": ["thaw", "py3_powerai_1.7.0", "--all"],
    "usage": ["usage"],
    "quota": ["quota"],
    "recover": ["recover"],
    "site init": ["site", "init", "--print"],
    "site configure": ["site", "configure"],
    "site environments": ["site", "environments", "--dry-run"],
    "site cache": ["site", "cache", "--dry-run", "--mirror", "/nowhere/at/all"],
    "site modules": ["site", "modules"],
    "site check": ["site", "check"],
    "site package": ["site", "package", "--format", "tar", "--dry-run"],
    "site index": ["site", "index"],
    "site users": ["site", "users", "--no-registers", "--search", "/nowhere/at/all"],
    "config": ["config"],
}
#: `ucenv pip` becomes pip, whose words and output are its own: see test_pip.
ANSWERING = [command for command in COMMANDS if command != "pip"]
BAD = {
    "setup": ["setup", "--nonsense"],
    "env": ["env", "nosuchshell"],
    "hook": ["hook", "nosuchshell"],
    "clone": ["clone", "nothing", "mine"],
    "list": ["list", "--nonsense"],
    "info": ["info", "nothing"],
    "thaw": ["thaw", "nothing", "--all"],
    "pip": ["pip", "nothing", "list"],
    "usage": ["usage", "nothing"],
    "quota": ["quota", "/nowhere/at/all"],
    "recover": ["recover", "/nowhere/at/all"],
    "site init": ["site", "init", "--nonsense"],
    "site configure": ["site", "configure", "--config", "/nowhere/at/all"],
    "site environments": ["site", "environments", "--config", "/nowhere/at/all"],
    "site cache": ["site", "cache", "--config", "/nowhere/at/all"],
    "site modules": ["site", "modules", "--config", "/nowhere/at/all"],
    "site check": ["site", "check", "--config", "/nowhere/at/all"],
    "site package": ["site", "package", "--format", "tar", "--config", "/nowhere/at/all"],
    "site index": ["site", "index", "nothing"],
    "site users": ["site", "users", "--config", "/nowhere/at/all"],
    "config": ["config", "--nonsense"],
}
ENVELOPE = ["schema", "command", "ok", "result", "warnings", "error"]


def test_every_command_is_tested() -> None:
    assert GOOD.keys() == {*ANSWERING}
    assert BAD.keys() == {*COMMANDS}


# help -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_begins_with_an_example(prompt: Cluster, command: str, word: str) -> None:
    run = prompt(*command.split(), word)
    example = import_module(f"userconda.cli.{command.replace(' ', '.')}").EXAMPLE
    assert run.out.startswith(f"example:\n  {example}\n")
    assert (run.code, run.err) == (0, "")


def test_the_general_help_begins_with_an_example_and_lists_every_command(prompt: Cluster) -> None:
    run = prompt("--help")
    assert run.out.startswith("example:\n  ucenv clone ")
    assert re.findall(r"^  (\w+)  +\w", run.out, re.M) == list(FIRST_WORDS)
    assert run.code == 0


def test_no_command_at_all_is_a_usage_error(prompt: Cluster) -> None:
    run = prompt()
    assert (run.code, run.out) == (2, "")
    assert "commands:" in run.err


@pytest.mark.parametrize(("word", "hint"), [("clon", "did you mean `ucenv clone`?"), ("xyzzy", "`ucenv --help`")])
def test_an_unknown_command_gets_a_suggestion(prompt: Cluster, word: str, hint: str) -> None:
    run = prompt(word)
    assert run.code == 2
    assert run.err.startswith(f"ucenv: there is no command '{word}'\n")
    assert hint in run.err


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_version(prompt: Cluster, word: str) -> None:
    assert prompt(word).out == f"ucenv {__version__}\n"


@pytest.mark.parametrize("words", [["--json", "list"], ["list", "--json"], ["--root", "/nowhere", "list", "--json"]])
def test_options_may_stand_before_the_command(prompt: Cluster, words: list[str]) -> None:
    assert prompt(*words).json["command"] == "list"


def test_an_option_value_that_is_a_commands_name_is_a_value(prompt: Cluster) -> None:
    assert prompt("--root", "/list", "list", "--json").json["ok"] is True


# JSON -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ANSWERING)
def test_the_envelope_of_success(ucenv: Cluster, command: str) -> None:
    run = ucenv(*GOOD[command], "--json")
    assert list(run.json) == ENVELOPE
    assert (run.json["schema"], run.json["command"], run.json["ok"]) == ("ucenv/1", command, True)
    # Nothing of the site has been made yet, and that is the answer.
    assert (run.json["error"], run.code, run.err) == (None, 1 if command == "site check" else 0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_envelope_of_failure(prompt: Cluster, command: str) -> None:
    run = prompt(*BAD[command], "--json")
    assert list(run.json) == ENVELOPE
    assert (run.json["schema"], run.json["command"], run.json["ok"]) == ("ucenv/1", command, False)
    assert (run.json["result"], run.err) == (None, "")
    assert list(run.json["error"]) == ["code", "exit_code", "message", "hints", "details"]
    assert run.json["error"]["exit_code"] == run.code


RESULT_KEYS = {
    "setup": "checks dry_run hook job_script made root startup",
    "env": "variables",
    "hook": "conda_root path shell source",
    "clone": "bytes directories dry_run fallbacks files fit inodes left_out link_mode links_to own_copy "
    "predicted seconds source_prefix target_prefix thin thin_clone writable_shared_files",
    "list": "environments",
    "info": "directories files missing_files name owner owners packages parent parent_prefix parent_state pip_packages "
    "prefix python records system thin writable",
    "thaw": "all bytes directories dry_run exchanged fallbacks files fit inodes nothing_to_do own packages parent "
    "predicted prefix replaced seconds thin why_copied",
    "usage": "at_least charged_by environments not_entered package_caches quota quota_unknown root selected total "
    "unreadable user vanished",
    "quota": "directories fail_over reached readings texts unknown",
    "recover": "directory dry_run problems runs trash_removed",
    "site init": "conda_root dry_run path text",
    "site configure": "changes dry_run entries root validated",
    "site environments": "commands dry_run environments program root",
    "site cache": "cache dry_run exit_code failed fetched fetched_bytes free_bytes last_lines log mirror missing "
    "missing_bytes program there_already wanted",
    "site modules": "dry_run files tree",
    "site check": "differences path remarks root",
    "site package": "action dry_run files format name path release size_bytes time tree version",
    "site index": "dry_run environments",
    "site users": "conda_root elsewhere environments looked_at out_of_time searched spaces unreadable",
    "config": "files settings",
}


@pytest.mark.parametrize("command", ANSWERING)
def test_the_keys_of_a_result_are_a_contract(ucenv: Cluster, command: str) -> None:
    assert " ".join(sorted(ucenv(*GOOD[command], "--json").json["result"])) == RESULT_KEYS[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_failure_in_text_is_on_stderr_alone(prompt: Cluster, command: str) -> None:
    run = prompt(*BAD[command])
    assert run.out == ""
    assert run.err.startswith(f"ucenv {command}: ")
    assert "Traceback" not in run.err


# exit codes -----------------------------------------------------------------------------------------------------

ERRORS: list[tuple[errors.UcenvError, int, str]] = [
    (errors.UsageError("text"), 2, "usage"),
    (errors.ConfigError("text"), 2, "config"),
    (errors.SiteFileInvalid("/x", (errors.SiteFileProblem(2, "a.b", "text"),)), 2, "site_file"),
    (errors.SiteTemplateInvalid("/x", "word"), 2, "site_template"),
    (errors.SiteKeyMissing("/x", "a.b", "meaning"), 2, "site_key_missing"),
    (errors.EnvironmentNotFound("x"), 10, "environment_not_found"),
    (errors.NotAPrefix("/x"), 11, "not_a_prefix"),
    (errors.SourceIncomplete("/x", ("a",)), 12, "source_incomplete"),
    (errors.NoSystemConda(), 13, "no_system_conda"),
    (errors.PackageNotFound(("x",), "/x"), 17, "package_not_found"),
    (errors.PipMissing("/x", "pip"), 19, "pip_missing"),
    (errors.PipTooOld("/x"), 28, "pip_too_old"),
    (errors.SiteFileMissing("/x"), 14, "site_file_missing"),
    (errors.TargetExists("/x"), 20, "target_exists"),
    (errors.PrefixInUse("/x", ("a.c~",)), 21, "prefix_in_use"),
    (errors.SourceChanged("/x", ("a",)), 22, "source_changed"),
    (errors.UnsafeName("..", "reason"), 23, "unsafe_name"),
    (errors.LockTimeout("/x", "pid 1"), 24, "lock_timeout"),
    (errors.ModuleTreeConflict("/x", ("a",)), 25, "module_tree_conflict"),
    (errors.SiteFileExists("/x"), 26, "site_file_exists"),
    (errors.FileRefused("/x", 3, "reason"), 27, "file_refused"),
    (errors.MirrorNotOurs("/x"), 29, "mirror_not_ours"),
    (errors.ProgramMissing("rpmbuild", "rpm", "makes it"), 15, "program_missing"),
    (errors.CondaProgramUnusable("/x/conda", "reason"), 16, "conda_program"),
    (errors.ProgramFailed("rpmbuild", 1, "said"), 53, "program_failed"),
    (errors.NotEnoughSpace("/x", 2, 1), 30, "not_enough_space"),
    (errors.NotEnoughInodes("/x", 2, 1), 31, "not_enough_inodes"),
    (errors.QuotaExceeded("/x", 2, 1), 32, "quota_exceeded"),
    (errors.TooDear("x", "reason", "1 GB"), 33, "too_dear"),
    (errors.ParentGone("/x", "/y"), 18, "parent_gone"),
    (errors.ParentDiffers("/x", "/y", ("a",)), errors.ParentDiffers.exit_code, "parent_differs"),
    (errors.ProcessesRunning("/x", ((7, "python"),)), 62, "processes_running"),
    (errors.ThinRefused("x", "reason"), 54, "thin_refused"),
    (errors.ParentWritable("/x", "/y"), 55, "parent_writable"),
    (errors.CorruptRecord("/x", "reason"), 40, "corrupt_record"),
    (errors.PlaceholderTooShort("a", "/x", 255), 41, "placeholder_too_short"),
    (errors.PathEscapesPrefix("/x", "../y"), 42, "path_escapes_prefix"),
    (errors.VerificationFailed("/x", "reason"), 43, "verification_failed"),
    (errors.FileOperation("copy", "/x", 5), 50, "file_operation"),
    (errors.LinksRequired("x", 2, "reason"), 51, "links_required"),
    (errors.SpaceNotWritable("/x", 13), 52, "space_not_writable"),
    (errors.InterruptedRun("/x", "reason"), 60, "interrupted_run"),
    (errors.WorkerDied(1), 61, "worker_died"),
    (errors.UnsupportedShell("x", ("bash",)), 70, "unsupported_shell"),
    (errors.HookMissing("ucenv.sh", ("/x",)), 71, "hook_missing"),
    (errors.UnquotableValue("tcsh", "x", "reason"), 72, "unquotable_value"),
    (errors.StartupFileRefused("/x", "reason", "advice"), 73, "startup_file_refused"),
]


def _subclasses(cls: type[errors.UcenvError]) -> set[type[errors.UcenvError]]:
    return {sub for direct in cls.__subclasses__() for sub in {direct, *_subclasses(direct)}}


def test_every_error_is_tested() -> None:
    assert {type(error) for error, *_ in ERRORS} == _subclasses(errors.UcenvError)


@pytest.mark.parametrize(("error", "exit_code", "code"), ERRORS, ids=[code for *_, code in ERRORS])
def test_every_error_has_its_exit_code(
    prompt: Cluster, monkeypatch: pytest.MonkeyPatch, error: errors.UcenvError, exit_code: int, code: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("userconda.cli.list.list_environments", fail)
    assert prompt("list").code == exit_code
    assert prompt("list").err.startswith(f"ucenv list: {error.message}\n")
    answer = prompt("list", "--json").json["error"]
    assert (answer["code"], answer["exit_code"], answer["message"]) == (code, exit_code, error.message)


@pytest.mark.parametrize("signal_number", [2, 15])
def test_an_interrupt_is_130(prompt: Cluster, monkeypatch: pytest.MonkeyPatch, signal_number: int) -> None:
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal_number)

    monkeypatch.setattr("userconda.cli.list.list_environments", interrupted)
    assert prompt("list").code == 130


def test_an_interrupt_in_json(prompt: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), 15)

    monkeypatch.setattr("userconda.cli.list.list_environments", interrupted)
    error = prompt("list", "--json").json["error"]
    assert (error["code"], error["message"]) == ("interrupted", "interrupted")
    assert list(error) == ["code", "exit_code", "message", "hints", "details"]


# a bug ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def buggy(prompt: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    def bug(*_: object) -> None:
        raise ZeroDivisionError("the cause")

    monkeypatch.setattr("userconda.cli.list.list_environments", bug)
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "logs"))
    return prompt


def test_a_bug_is_one_line_and_a_log(buggy: Cluster, tmp_path: Path) -> None:
    run = buggy("list")
    (log,) = (tmp_path / "logs").iterdir()
    assert (run.code, run.out) == (3, "")
    assert run.err == f"ucenv list: this is a bug in ucenv (ZeroDivisionError); please report it with {log}\n"


def test_the_log_of_a_bug_has_traceback_and_versions(buggy: Cluster, tmp_path: Path) -> None:
    buggy("list")
    (log,) = (tmp_path / "logs").iterdir()
    text = log.read_text()
    assert text.startswith(f"ucenv {__version__}\nPython {sys.version}")
    assert "Traceback (most recent call last)" in text
    assert "ZeroDivisionError: the cause" in text


def test_a_bug_in_json(buggy: Cluster, tmp_path: Path) -> None:
    run = buggy("list", "--json")
    (log,) = (tmp_path / "logs").iterdir()
    assert (run.code, run.err) == (3, "")
    assert run.json["error"]["code"] == "bug"
    assert str(log) in run.json["error"]["message"]


def test_a_bug_where_no_log_can_be_written(buggy: Cluster, tmp_path: Path) -> None:
    (tmp_path / "logs").rmdir()
    run = buggy("list")
    assert run.code == 3
    assert "could not be written" in run.err
    assert "Traceback" not in run.err


# pipes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [*GOOD.values(), ["list", "--json"], ["--help"], ["--version"], ["clone", "--help"]])
def test_a_reader_that_has_gone_is_no_error(ucenv: Cluster, words: list[str]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with ucenv.process(*words, stdout=write_end) as process:
        os.close(write_end)
        _, shown = process.communicate(timeout=60)
    assert "Traceback" not in shown
    assert "rror" not in shown
    assert process.returncode in (0, 141)


def test_stderr_that_is_closed_is_no_error(prompt: Cluster) -> None:
    command = f"exec {sys.executable} -m userconda clone nothing mine 2>&-"
    run = subprocess.run(
        ["/bin/sh", "-c", command], env=prompt.environment, capture_output=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout) == (10, b"")


def test_json_without_a_command(prompt: Cluster) -> None:
    run = prompt("--json")
    assert (run.code, run.err) == (2, "")
    assert (run.json["ok"], run.json["error"]["code"]) == (False, "usage")


TALKING = ["--version", "--help", "env bash", "hook bash", "list", "list --json", "clone nothing mine --json"]


@pytest.mark.parametrize("words", TALKING)
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-"])
def test_stdout_that_is_closed_is_no_error(prompt: Cluster, closed: str, words: str) -> None:
    command = f"exec {sys.executable} -m userconda {words} {closed}"
    run = subprocess.run(
        ["/bin/sh", "-c", command], env=prompt.environment, capture_output=True, timeout=60, check=False
    )
    assert run.returncode == (10 if "nothing" in words else 0)
    assert b"Traceback" not in run.stderr
    assert b"bug" not in run.stderr


@pytest.mark.parametrize("words", TALKING)
def test_stdout_that_is_full_is_said(prompt: Cluster, words: str) -> None:
    with open("/dev/full", "w") as full, prompt.process(*words.split(), stdout=full) as process:
        _, shown = process.communicate(timeout=60)
    assert process.returncode == 50
    assert shown.splitlines()[-2].endswith("writing of the standard output failed: No space left on device")
    assert "only what was to be shown is lost" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("words", [["list"], ["clone", "py3_powerai_1.7.0", "mine"], ["nonsense"]])
def test_as_a_process(ucenv: Cluster, words: list[str]) -> None:
    """The exit code, and nothing on stderr that was not meant for it."""
    with ucenv.process(*words, stdout=subprocess.PIPE) as process:
        _, shown = process.communicate(timeout=60)
    assert process.returncode == (2 if words == ["nonsense"] else 0)
    assert all(line.startswith(("note: ", "ucenv: ", "  ")) for line in shown.splitlines())


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["info", "café ☕"]])
def test_names_in_any_locale(ucenv: Cluster, locale: str, words: list[str]) -> None:
    ucenv("clone", "py3_powerai_1.7.0", "café ☕", "--quiet")
    environment = {**ucenv.environment, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    run = subprocess.run([sys.executable, "-m", "userconda", *words], env=environment, capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    assert b"caf" in run.stdout


# speed ----------------------------------------------------------------------------------------------------------


def _file_system_calls(tmp: Path, environment: dict[str, str], code: str) -> int:
    """Each of them is a round trip where Python lies on a network filesystem."""
    strace = shutil.which("strace")
    if strace is None:
        raise Unavailable("needs strace", tool="strace")
    log = tmp / "strace"
    command: list[str | Path] = [
        strace,
        "-f",
        "-qq",
        "-e",
        "trace=%file,%desc",
        "-o",
        log,
        sys.executable,
        "-I",
        "-c",
        code,
    ]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode and "ptrace" in run.stderr.lower():
        raise Unavailable(f"strace: {run.stderr.strip()}")
    run.check_returncode()
    return len(log.read_text().splitlines())


@pytest.mark.parametrize("words", [["--version"], ["env", "bash"], ["hook", "bash"]])
def test_what_runs_in_every_job_script_is_cheap(prompt: Cluster, tmp_path: Path, words: list[str]) -> None:
    code = f"import sys; from userconda.cli import main; sys.exit(main({words!r}))"
    for _ in range(2):  # the first run may write .pyc files
        ours = _file_system_calls(tmp_path, prompt.environment, code)
    assert ours <= 3 * _file_system_calls(tmp_path, prompt.environment, "pass")


def test_main_takes_its_words_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ucenv", "--version"])
    assert main() == 0
    assert capsys.readouterr().out == f"ucenv {__version__}\n"
