"""The README documents every command, option and key, and nothing that does not exist."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.catalog import access_document
from lakehouse.catalog.access_tests import decide_tests
from lakehouse.catalog.decision import index
from lakehouse.catalog.expanding import expanded
from lakehouse.catalog.policy_file import policy_of
from lakehouse.catalog.statement_parser import parse_statement
from lakehouse.cli.main import build_parser
from lakehouse.definition.dataset_document import MODELS
from lakehouse.definition.file_source import SourceModel
from lakehouse.definition.spec_file import SpecModel
from lakehouse.definition.strict_model import StrictModel
from lakehouse.errors import LakehouseError
from lakehouse.plan.sieve import META
from lakehouse.storage.system_tables import SCHEMAS

TEXT = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
REFERENCE = TEXT.partition("## Reference")[2]


def subcommands(parser: argparse.ArgumentParser, prefix: str = "") -> dict[str, argparse.ArgumentParser]:
    """The commands by what is typed; of one that has actions of its own, these."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found |= subcommands(command, f"{prefix}{name} ") or {f"{prefix}{name}": command}
    return found


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from (option for option in action.option_strings if option.startswith("--"))


def documented_keys(section: str) -> set[str]:
    part = REFERENCE.partition(section)[2].partition("\n###")[0]
    first_cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    return {key for cell in first_cells for key in re.findall(r"`(\w+)`", cell)}


def model_keys(model: type) -> set[str]:
    fields = model.model_fields  # type: ignore[attr-defined]
    return {field.alias or name for name, field in fields.items()}


def test_every_command_is_documented_and_exists() -> None:
    documented = set(re.findall(r"^\| `lakehouse ([a-z-]+(?: [a-z]+)?)", REFERENCE, re.MULTILINE))
    assert documented == set(subcommands(build_parser()))


@pytest.mark.parametrize("command", sorted(subcommands(build_parser())))
def test_every_option_is_documented(command: str) -> None:
    for option in options(subcommands(build_parser())[command]):
        assert f"`{option}" in REFERENCE, f"lakehouse {command} {option}"


def test_every_option_mentioned_exists() -> None:
    parser = build_parser()
    existing = {option for command in subcommands(parser).values() for option in options(command)} | set(
        options(parser)
    )
    ours = set(re.findall(r"`(--[a-z-]+)", REFERENCE))
    assert ours <= existing


def test_every_spec_key_is_documented_and_exists() -> None:
    assert documented_keys("### Spec and target keys") == model_keys(SpecModel)


def test_every_dataset_key_is_documented_and_exists() -> None:
    existing = {key for model in MODELS.values() for key in model_keys(model)} | model_keys(SourceModel)
    assert documented_keys("### Dataset keys") == existing


def test_every_key_of_the_rules_of_access_is_documented_and_exists() -> None:
    models = [
        found
        for found in vars(access_document).values()
        if isinstance(found, type) and issubclass(found, StrictModel) and found is not StrictModel
    ]
    existing = {key for model in models for key in model_keys(model)}
    part = REFERENCE.partition("### Keys of the rules of access")[2].partition("\n###")[0]
    assert documented_keys("### Keys of the rules of access") | set(re.findall(r"`(\w+)`", part)) >= existing
    assert documented_keys("### Keys of the rules of access") <= existing


def test_the_rules_of_access_in_the_guide_are_rules() -> None:
    text = TEXT.partition("### Who may see what")[2].partition("```yaml\n")[2].partition("```")[0]
    policy = expanded(policy_of(text, "access.yml", "spark_catalog"))
    assert [outcome.problem for outcome in decide_tests(index(policy))] == ["", ""]


def test_the_statements_about_access_in_the_guide_are_statements() -> None:
    text = TEXT.partition("### Who may see what")[2].partition("```sql\n")[2].partition("```")[0]
    found = [part.strip() for part in text.split(";") if part.strip()]
    assert len(found) == 9
    for statement in found:
        assert parse_statement(statement) is not None


def test_every_exit_code_is_documented() -> None:
    def leaves(kind: type[LakehouseError]) -> Iterator[type[LakehouseError]]:
        yield kind
        for below in kind.__subclasses__():
            yield from leaves(below)

    documented = {int(code) for code in re.findall(r"\b(\d+)\b", REFERENCE.partition("| exit code")[2][:600])}
    assert {kind.exit_code for kind in leaves(LakehouseError)} <= documented


@pytest.mark.parametrize("column", [*META, *SCHEMAS["expectations"]])
def test_every_column_that_tells_of_quality_is_documented(column: str) -> None:
    if column not in ("project", "epoch"):
        assert f"`{column}`" in TEXT.partition("### Expectations\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize("name", [*SCHEMAS, "files"])
def test_every_system_table_is_documented(name: str) -> None:
    if name != "resets":
        assert f"system.{name}" in TEXT


def test_every_environment_variable_is_documented() -> None:
    package = Path(__file__).parent.parent / "lakehouse"
    read = {name for file in package.rglob("*.py") for name in re.findall(r'"(LAKEHOUSE_[A-Z_]+)"', file.read_text())}
    assert read == set(re.findall(r"`(LAKEHOUSE_[A-Z_]+)`", REFERENCE))
