"""The README's program is run as it stands: commands and output, line by line; `…` stands for what differs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.cli.arguments import build_parser, parse_arguments

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_line_for_setting_up_is_one_line_each() -> None:
    text = README.read_text(encoding="utf-8")
    for name in ("demo line", "test line"):
        block = text.partition(f"<!-- {name} -->\n```bash\n")[2].partition("\n```")[0]
        assert block.startswith("python3 -m venv .venv && .venv/bin/pip install")
        assert "\n" not in block


@pytest.mark.spark
def test_the_change_is_shown_as_it_happens(tmp_path: Path) -> None:
    follow(blocks("console"), tmp_path)


@pytest.mark.spark
def test_expectations_are_shown_as_they_happen(tmp_path: Path) -> None:
    write(tmp_path, {"bronze/returns.yml": expectations("yaml")})
    (tmp_path / "incoming" / "returns").mkdir(parents=True)
    follow([expectations("shell-session")], tmp_path)


def follow(sessions: list[str], folder: Path) -> None:
    """Runs what is typed in a shell, and compares what comes."""
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    for block in sessions:
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = step.partition("\n")
            if command.startswith("cd "):
                folder = folder / command.removeprefix("cd ")
                continue
            ended = subprocess.run(
                ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            assert ended.returncode == 0, ended.stderr
            pattern = re.escape(expected.rstrip("\n")).replace("…", ".*")
            assert re.fullmatch(pattern, ended.stdout.rstrip("\n")), f"$ {command}\n{ended.stdout}"


def expectations(language: str) -> str:
    """The block of the section about expectations."""
    section = README.read_text(encoding="utf-8").partition("### Expectations\n")[2].partition("\n### ")[0]
    return section.partition(f"```{language}\n")[2].partition("```")[0]


def write(root: Path, files: dict[str, str]) -> None:
    """A project of these definition files, each in a folder for its layer."""
    layers = ", ".join(f"{{glob: {{include: {Path(name).parent}/**}}}}" for name in files)
    (root / "spark-pipeline.yml").write_text(f"name: returns\nlibraries: [{layers}]\n", encoding="utf-8")
    for name, text in files.items():
        (root / name).parent.mkdir()
        (root / name).write_text(text, encoding="utf-8")


def test_expectations_shown_are_declared(tmp_path: Path) -> None:
    from lakehouse.definition.loading import load_project
    from lakehouse.graph.validation import validate_project

    shown = {"bronze/r.yml": "yaml", "silver/r.sql": "sql", "gold/r.py": "python"}
    write(tmp_path, {name: expectations(language) for name, language in shown.items()})
    project = load_project(tmp_path)
    validate_project(project)
    found = {
        str(dataset.name): [(each.name, each.on_violation.value) for each in dataset.expectations]
        for dataset in project.stored
    }
    assert found == {
        "bronze.returns": [
            ("has_order", "fail"),
            ("has_refund", "drop"),
            ("known_reason", "quarantine"),
            ("small", "warn"),
        ],
        "silver.returns": [
            ("has_reason", "warn"),
            ("positive", "drop"),
            ("plausible", "quarantine"),
            ("has_order", "fail"),
        ],
        "gold.refunds": [("positive", "fail"), ("expect_column_values_to_be_unique(reason)", "fail")],
    }


def test_commands_that_are_not_run_here_are_commands() -> None:
    lines = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("lakehouse ")]
    assert len(lines) >= 7
    for line in lines:
        command = shlex.split(line, comments=True)[1:]
        assert parse_arguments(build_parser(), command).command == command[0]


def test_python_blocks_are_python() -> None:
    found = blocks("python")
    assert len(found) >= 3
    for block in found:
        compile(block, "README.md", "exec")


def test_definitions_shown_are_valid(tmp_path: Path) -> None:
    from lakehouse.definition.loading import load_project
    from lakehouse.graph.validation import validate_project

    for folder in ("bronze", "silver", "gold", "landing"):
        (tmp_path / folder).mkdir()
    spec, definitions = blocks("yaml")[:2]
    (tmp_path / "spark-pipeline.yml").write_text(spec, encoding="utf-8")
    (tmp_path / "bronze" / "flights.yml").write_text(definitions, encoding="utf-8")
    (tmp_path / "gold" / "carriers.sql").write_text(blocks("sql")[0], encoding="utf-8")
    (tmp_path / "gold" / "routes.py").write_text(blocks("python")[0], encoding="utf-8")
    project = load_project(tmp_path)
    validate_project(project)
    names = {str(dataset.name) for dataset in project.datasets}
    assert names == {"bronze.flights", "silver.long_flights", "gold.carriers", "gold.routes"}
