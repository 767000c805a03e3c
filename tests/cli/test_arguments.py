"""Arguments, help, and how every kind of failure ends."""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import Answer
from lakehouse.cli import ls_command
from lakehouse.cli.arguments import build_parser

Command = Callable[..., Answer]
COMMANDS = {
    *("init", "validate", "dry-run", "run", "check"),
    *("ls", "show", "explain", "history", "lineage", "report", "reset", "doctor", "sql", "quarantine"),
    *("serve", "token", "audit", "access"),
}


def sub_parsers() -> list[tuple[str, argparse.ArgumentParser]]:
    return [
        item
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
        for item in action.choices.items()
    ]


def test_the_commands() -> None:
    assert {name for name, _ in sub_parsers()} == COMMANDS


@pytest.mark.parametrize(("name", "parser"), sub_parsers(), ids=[name for name, _ in sub_parsers()])
def test_help_explains_every_option(name: str, parser: argparse.ArgumentParser) -> None:
    text = parser.format_help()
    for action in parser._actions:
        assert action.help
        for option in action.option_strings:
            assert option in text
    assert f"  lakehouse {name}" in text, "there is an example"
    assert "exit codes:" in text


@pytest.mark.parametrize("name", sorted(COMMANDS - {"init", "doctor", "sql"}))
def test_every_command_has_a_module(name: str) -> None:
    module = Path(ls_command.__file__).with_name(f"{name.replace('-', '_')}_command.py")
    assert "def execute(arguments: argparse.Namespace, screen: Screen) -> int:" in module.read_text()


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys\nfrom lakehouse.cli.main import main\n"
        "try:\n    main(['run', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pyspark', 'deltalake', 'pyarrow', 'pydantic', 'rich', 'yaml', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("argv", "near"),
    [
        (["rnu"], "run"),
        (["run", "--ful-refresh", "x"], "--full-refresh"),
        (["ls", "--jsno"], "--json"),
    ],
)
def test_a_mistyped_word_has_a_suggestion(lakehouse: Command, argv: list[str], near: str) -> None:
    answer = lakehouse(*argv)
    assert answer.code == 2
    assert answer.out == ""
    assert f"Did you mean '{near}'?" in answer.err


@pytest.mark.parametrize(
    "argv",
    [
        ["show", "--project", "."],
        ["history", "--limit", "0"],
        ["ls", "--var", "novalue"],
        ["ls", "nowhere"],
        ["ls", "a", "--project", "b"],
        ["ls", "--project", "."],  # there is no spec in it
        ["init", "1shop"],
    ],
)
def test_wrong_usage_is_one_sentence(
    lakehouse: Command, argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = lakehouse(*argv)
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    as_json = lakehouse(*argv, "--json")
    assert (as_json.code, as_json.err) == (2, "")
    assert [(event["event"], event["class"]) for event in as_json.events] == [("error", "UsageError")]


def test_the_project_is_searched_upward(lakehouse: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "tables")
    assert lakehouse("validate").code == 0


def test_a_given_folder_is_not_searched_upward(lakehouse: Command, project: Path) -> None:
    assert lakehouse("validate", project / "tables").code == 2


def test_the_spec_file_may_be_given_for_its_folder(lakehouse: Command, project: Path) -> None:
    assert lakehouse("validate", "--project", project / "spark-pipeline.yml").code == 0


def test_validate_counts_and_reports_every_problem(lakehouse: Command, project: Path) -> None:
    (valid,) = lakehouse("validate", project, "--json").events
    assert (valid["event"], valid["project"], valid["datasets"]) == ("validated", "shop", 4)
    (project / "tables" / "bad.sql").write_text(
        "CREATE MATERIALIZED VIEW gold.a AS SELECT * FROM silver.order;\n"
        "CREATE MATERIALIZED VIEW gold.b AS\nSELECT * FROM bronze.nothing;\n"
    )
    answer = lakehouse("validate", project, "--json")
    assert answer.code == 2
    assert [(e["class"], e["file"], e["line"], e["nearest"]) for e in answer.named("error")] == [
        ("UnknownName", "tables/bad.sql", 1, "silver.orders"),
        ("UnknownName", "tables/bad.sql", 3, None),
    ]
    lines = lakehouse("validate", project).err.splitlines()
    assert [line.split(" ")[1] for line in lines[:2]] == ["tables/bad.sql:1:", "tables/bad.sql:3:"]
    assert lines[2] == "2 problems."


def test_parentheses_without_end_are_the_users_mistake(lakehouse: Command, project: Path) -> None:
    query = f"SELECT {'(' * 2000}1{')' * 2000} AS a"
    (project / "tables" / "deep.sql").write_text(f"CREATE MATERIALIZED VIEW gold.deep AS\n{query};\n")
    answer = lakehouse("validate", project, "--json")
    (error,) = answer.events
    assert (answer.code, error["class"], error["file"], error["line"]) == (2, "InvalidValue", "tables/deep.sql", 2)


def test_what_a_definition_prints_is_no_event(lakehouse: Command, project: Path) -> None:
    (project / "tables" / "loud.py").write_text("print('read')\n")
    answer = lakehouse("validate", project, "--json")
    assert (answer.code, [event["event"] for event in answer.events]) == (0, ["validated"])
    assert answer.err == "read\n"
    assert "read" in lakehouse("validate", project).out.splitlines()


def test_an_error_of_ours_leaves_its_traceback_in_a_file(
    lakehouse: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(ls_command, "table_states", broken)
    answer = lakehouse("ls", project, "--json")
    (error,) = answer.events
    assert (answer.code, error["class"]) == (70, "InternalError")
    assert "in broken" in Path(error["traceback"]).read_text()
    Path(error["traceback"]).unlink()
    assert "Traceback" not in lakehouse("ls", project).err


# Commands that look at the warehouse before anything starts Spark: its session would be that of other tests.
@pytest.mark.parametrize("command", [("run",), ("reset", "gold.revenue", "--yes")])
def test_a_warehouse_that_cannot_be_one_is_no_error_of_ours(
    lakehouse: Command, project: Path, command: tuple[str, ...]
) -> None:
    (project / "warehouse").write_text("mine")
    answer = lakehouse(*command, "--project", project, "--json")
    (error,) = answer.events
    assert (answer.code, error["class"]) == (2, "InstallationError")
    assert (project / "warehouse").read_text() == "mine"


def test_what_the_disk_refuses_is_one_sentence(
    lakehouse: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/lake/x")

    monkeypatch.setattr(ls_command, "table_states", full)
    answer = lakehouse("ls", project)
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (2, "", 1)
    assert "/lake/x" in answer.err


def test_ctrl_c_outside_of_a_run(lakehouse: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ls_command, "table_states", interrupted)
    assert lakehouse("ls", project).code == 130


def test_a_reader_that_has_seen_enough_is_no_error(project: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "lakehouse", "ls", "--json", "--project", str(project)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_entry_point_is_a_script_that_runs_from_anywhere(lakehouse: Command, project: Path) -> None:
    script = lakehouse("--entry-point").out.strip()
    done = subprocess.run(
        [sys.executable, script, "validate", "--project", str(project)], cwd="/", capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_entry_point_hides_no_module_of_others(lakehouse: Command) -> None:
    script = lakehouse("--entry-point").out.strip()
    code = (
        f"import runpy, sys; sys.argv = [{script!r}, '--version']; sys.path.insert(0, {str(Path(script).parent)!r})\n"
        f"try:\n    runpy.run_path({script!r}, run_name='__main__')\nexcept SystemExit:\n    pass\n"
        f"assert {str(Path(script).parent)!r} not in sys.path"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
