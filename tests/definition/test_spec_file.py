from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lakehouse.definition.loading import find_project
from lakehouse.definition.project import ProjectSpec
from lakehouse.definition.spec_file import read_spec
from lakehouse.errors import DefinitionError, InvalidValue, UndefinedVariable, UnknownKey, UnknownName, UsageError

Write = Callable[[Mapping[str, str]], Path]

FULL = """\
name: flights
storage: file:///tmp/checkpoints
catalog: main
schema: silver
configuration:
  landing: data/landing
  files: ${landing}/*.csv
  spark.sql.shuffle.partitions: 8
  ratio: 1.10
  verbose: True
libraries:
  - glob: {include: bronze/**}
  - glob:
      include: one.sql
access: access.yml
warehouse: lake/${landing}
max_concurrent_refreshes: 3
"""


def spec_of(write: Write, text: str, *, files: Mapping[str, str] | None = None, **settings: Any) -> ProjectSpec:
    root = write({"spark-pipeline.yml": text, **(files or {})})
    return read_spec(root, target=settings.get("target"), variables=settings.get("variables", {}))


def test_all_keys(write: Write) -> None:
    spec = spec_of(write, FULL)
    assert (spec.name, spec.storage, spec.catalog, spec.database) == (
        "flights",
        "file:///tmp/checkpoints",
        "main",
        "silver",
    )
    assert spec.configuration == {
        "landing": "data/landing",
        "files": "data/landing/*.csv",
        "spark.sql.shuffle.partitions": "8",
        "ratio": "1.10",
        "verbose": "true",
    }
    assert spec.libraries == ("bronze/**", "one.sql")
    assert (spec.access, spec.max_concurrent_refreshes) == ("access.yml", 3)
    assert spec.warehouse == str(spec.root / "lake/data/landing")


def test_defaults(write: Write) -> None:
    spec = spec_of(write, "name: a\nlibraries: [{glob: {include: x/**}}]")
    assert (spec.database, spec.catalog, spec.max_concurrent_refreshes) == ("default", None, 2)
    assert spec.warehouse == str(spec.root / "warehouse")


@pytest.mark.parametrize("uri", ["s3://bucket/lake", "abfss://c@a.dfs.core.windows.net/x", "file:/tmp/x"])
def test_a_uri_stays(write: Write, uri: str) -> None:
    assert spec_of(write, FULL.replace("lake/${landing}", uri)).warehouse == uri


@pytest.mark.parametrize(
    ("change", "error", "line"),
    [
        (("catalog:", "catalogue:"), UnknownKey, 3),
        (("include: bronze", "incldue: bronze"), UnknownKey, 12),
        (("name: flights\n", ""), InvalidValue, 1),
        (("max_concurrent_refreshes: 3", "max_concurrent_refreshes: 0"), InvalidValue, 17),
        (("max_concurrent_refreshes: 3", "max_concurrent_refreshes: many"), InvalidValue, 17),
        (("name: flights", "name: [a]"), InvalidValue, 1),
        (("schema: silver", "schema: silver\ndatabase: gold"), InvalidValue, 4),
        (("schema: silver", "schema: a.b"), InvalidValue, 4),
        (("schema: silver", "database: ''"), InvalidValue, 4),
        (("schema: silver", "database: System"), InvalidValue, 4),
        (("/*.csv", "/${nope}"), UndefinedVariable, 7),
        (("lake/${landing}", "${env:HOME}"), InvalidValue, 16),
        (("landing: data/landing", "landing: ${files}"), InvalidValue, None),
        (("ratio: 1.10", "ratio: [1]"), InvalidValue, 9),
    ],
)
def test_mistakes_in_the_spec(write: Write, change: tuple[str, str], error: type[Any], line: int | None) -> None:
    with pytest.raises(DefinitionError) as caught:
        spec_of(write, FULL.replace(*change))
    problem = getattr(caught.value, "problems", (caught.value,))[0]
    assert type(problem) is error
    if line is not None:
        assert (problem.where.file, problem.where.line) == ("spark-pipeline.yml", line)


def test_the_nearest_key_is_named(write: Write) -> None:
    with pytest.raises(UnknownKey) as caught:
        spec_of(write, FULL.replace("catalog:", "catalogue:"))
    assert (caught.value.key, caught.value.nearest) == ("catalogue", "catalog")


def test_no_libraries(write: Write) -> None:
    with pytest.raises(InvalidValue):
        spec_of(write, "name: a")


def test_a_target_overrides_the_spec_and_variables_override_both(write: Write) -> None:
    files = {
        "conf/prod.yml": """\
        warehouse: s3://lake/${stage}
        configuration: {landing: s3://in, stage: prod}
        max_concurrent_refreshes: 8
        catalog: prod
        database: main_silver
        """
    }
    spec = spec_of(write, FULL, files=files, target="prod", variables={"landing": "override"})
    assert spec.configuration["files"] == "override/*.csv"
    assert spec.configuration["stage"] == "prod"
    assert (spec.catalog, spec.database, spec.max_concurrent_refreshes) == ("prod", "main_silver", 8)
    assert (spec.warehouse, spec.target) == ("s3://lake/prod", "prod")


def test_a_target_is_looked_for_in_the_parents(write: Write) -> None:
    root = write({"spark-pipeline.yml": FULL})
    (root.parent / "conf").mkdir()
    (root.parent / "conf" / "dev.yml").write_text("database: dev\n")
    assert read_spec(root, target="dev", variables={}).database == "dev"


def test_an_unknown_target_is_an_error_with_the_nearest(write: Write) -> None:
    with pytest.raises(UnknownName) as caught:
        spec_of(write, FULL, files={"conf/prod.yml": ""}, target="prd")
    assert caught.value.nearest == "prod"


@pytest.mark.parametrize("target", ["../conf/prod", "..", "/etc/passwd"])
def test_a_target_is_a_name_and_no_path(write: Write, target: str) -> None:
    with pytest.raises(UsageError):
        spec_of(write, FULL, files={"conf/prod.yml": ""}, target=target)


def test_a_spec_that_is_no_text(write: Write) -> None:
    root = write({"spark-pipeline.yml": FULL})
    (root / "spark-pipeline.yml").write_bytes(b"name: a\n# caf\xe9\n")
    with pytest.raises(InvalidValue) as caught:
        read_spec(root, target=None, variables={})
    assert (caught.value.where.file, caught.value.where.line) == ("spark-pipeline.yml", 2)  # type: ignore[union-attr]


def test_an_unknown_key_of_a_target(write: Write) -> None:
    with pytest.raises(UnknownKey) as caught:
        spec_of(write, FULL, files={"conf/prod.yml": "name: x"}, target="prod")
    assert caught.value.where is not None
    assert caught.value.where.file == "conf/prod.yml"


def test_finding_a_project(write: Write, tmp_path: Path) -> None:
    root = write({"spark-pipeline.yaml": FULL, "bronze/deep/a.sql": ""})
    assert find_project(root) == root
    assert find_project(root / "bronze" / "deep") == root
    with pytest.raises(UsageError):
        find_project(tmp_path)


def test_two_spec_files(write: Write) -> None:
    root = write({"spark-pipeline.yaml": FULL, "spark-pipeline.yml": FULL})
    with pytest.raises(InvalidValue):
        read_spec(root, target=None, variables={})
