"""What a check leaves for Great Expectations: result files that its contexts load, and suites."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import lakehouse as product
from cli.checked_shop import ORDERS, REVENUE, CheckedShop
from cli.conftest import Answer
from lakehouse.errors import UsageError
from lakehouse.run.workspace import Workspace

Command = Callable[..., Answer]
SUITES = ("bronze.orders", "gold.revenue")


@pytest.fixture
def declared(tmp_path: Path) -> CheckedShop:
    """The project, not run."""
    return CheckedShop(tmp_path)


def test_suites_are_exported_without_a_run(declared: CheckedShop, lakehouse: Command, tmp_path: Path) -> None:
    listed = lakehouse("check", "--export-suite", "-", "--project", declared.root)
    assert listed.code == 0, listed.err
    assert [suite["name"] for suite in json.loads(listed.out)] == list(SUITES)
    one = lakehouse("check", "gold.revenue", "--export-suite", "-", "--project", declared.root)
    assert json.loads(one.out) == json.loads(listed.out)[1]

    folder = tmp_path / "exported"
    written = lakehouse("check", "--export-suite", folder, "--project", declared.root, "--json")
    assert [Path(event["path"]) for event in written.named("suite_written")] == [
        folder / f"{name}.json" for name in SUITES
    ]
    single = tmp_path / "new" / "revenue.json"
    lakehouse("check", "gold.revenue", "--export-suite", single, "--project", declared.root)
    assert json.loads(single.read_text()) == json.loads((folder / "gold.revenue.json").read_text())
    refused = lakehouse("check", "--export-suite", tmp_path / "all.json", "--project", declared.root, "--json")
    assert (refused.code, refused.named("error")[0]["class"]) == (2, "UsageError")


@pytest.mark.filterwarnings("ignore")  # Great Expectations and what it imports warn
def test_great_expectations_reads_the_suites(declared: CheckedShop, lakehouse: Command) -> None:
    import great_expectations as gx

    answer = lakehouse("check", "--export-suite", "-", "--project", declared.root, "--json")
    context = gx.get_context(mode="ephemeral")
    for event in answer.named("suite"):
        suite = event["suite"]
        made = context.suites.add(
            gx.ExpectationSuite(name=suite["name"], expectations=suite["expectations"], meta=suite["meta"])
        )
        assert [each.expectation_type for each in made.expectations] == [each["type"] for each in suite["expectations"]]


def test_a_suite_replaces_the_declarations(declared: CheckedShop, lakehouse: Command, tmp_path: Path) -> None:
    before = lakehouse("check", "--export-suite", "-", "--project", declared.root).out
    lakehouse("check", "--export-suite", tmp_path / "suites", "--project", declared.root)
    orders, revenue = (text.partition("expectations:")[0] for text in (ORDERS, REVENUE))
    declared.declare(orders + "suite: suites/bronze.orders.json\n", revenue + "suite: suites/gold.revenue.json\n")
    assert lakehouse("check", "--export-suite", "-", "--project", declared.root).out == before


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")  # Great Expectations and what it imports warn
def test_result_files_are_documents_of_great_expectations(
    declared: CheckedShop,
    lakehouse: Command,
    tmp_path: Path,
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Workspace, "close", lambda workspace: None)
    declared.deliver("one", "1,10,NO", "3,500,SE", "4,7,DK", "4,8,NO")
    declared.run()
    folder = tmp_path / "results"
    first = lakehouse("check", "--results", folder, "--project", declared.root, "--json")
    assert first.code == 3, first.err
    for name in SUITES:
        document = json.loads((folder / f"{name}.json").read_text())
        verdicts = {event["expectation"]: event for event in first.named("verdict") if event["dataset"] == name}
        own = {each["name"]: each["status"] for each in document["meta"]["lakehouse"]["verdicts"]}
        found = {result["expectation_config"]["meta"]["lakehouse"]["name"]: result for result in document["results"]}
        assert {*own, *found} == set(verdicts)
        for rule, result in found.items():
            event = verdicts[rule]
            assert result["success"] is (event["status"] == "passed")
            assert result["expectation_config"]["severity"] == event["severity"]
            if event["of"] is not None:
                assert (
                    result["result"].get("unexpected_count", result["result"].get("observed_value")) == event["failed"]
                )
        assert document["success"] is all(event["status"] != "failed" for event in verdicts.values())
        assert document["statistics"]["unsuccessful_expectations"] == sum(not r["success"] for r in found.values())

    # A second check judges nothing and writes the same.
    before = {name: json.loads((folder / f"{name}.json").read_text())["results"] for name in SUITES}
    lakehouse("check", "--results", folder, "--project", declared.root, "--json")
    assert {name: json.loads((folder / f"{name}.json").read_text())["results"] for name in SUITES} == before
    assert_docs_show(folder, tmp_path / "context")
    assert samples_of(folder) == [4]

    # What a mask keeps from everyone is kept from who reads the files.
    with (declared.root / "spark-pipeline.yml").open("a") as spec:
        spec.write("access: access.yml\n")
    (declared.root / "access.yml").write_text("securables: {bronze.orders: {columns: {id: {mask: '0'}}}}\n...\n")
    lakehouse("check", "--results", folder, "--project", declared.root, "--json")
    assert samples_of(folder) == []
    assert_docs_show(folder, tmp_path / "masked")


def samples_of(folder: Path) -> list[Any]:
    """The values that a document shows of the ids that are there more than once."""
    results = json.loads((folder / "bronze.orders.json").read_text())["results"]
    [found] = [each for each in results if each["expectation_config"]["meta"]["lakehouse"]["name"] == "one_row_an_id"]
    assert found["result"]["unexpected_count"] == 2
    values: list[Any] = found["result"]["partial_unexpected_list"]
    return values


def assert_docs_show(folder: Path, home: Path) -> None:
    """That a context of Great Expectations keeps the results and makes its pages of them."""
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    context = gx.get_context(mode="file", project_root_dir=home)
    for name in SUITES:
        document: Any = json.loads((folder / f"{name}.json").read_text())
        result = expectationSuiteValidationResultSchema.load(document)
        run = RunIdentifier(**document["meta"]["run_id"])
        identifier = ValidationResultIdentifier(ExpectationSuiteIdentifier(name), run, batch_identifier=name)
        context.validation_results_store.set(identifier, result)
        kept = context.validation_results_store.get(identifier)
        assert kept.success is document["success"]
        assert len(kept.results) == len(document["results"])
    context.build_data_docs()
    pages = [page.read_text() for page in home.rglob("data_docs/**/validations/**/*.html")]
    assert len(pages) == len(SUITES)
    assert any("unexpected" in page and "country" in page for page in pages)


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_check_from_python(declared: CheckedShop, spark: SparkSession) -> None:
    declared.deliver("one", "1,10,NO", "4,7,DK")
    declared.run()
    with product.connect(declared.root) as lh:
        report = lh.check("bronze.orders")
        assert not report.succeeded
        assert [(str(name), bad.judgement.rule.name) for name, bad in report.outcome.alarms] == [
            ("bronze.orders", "even")
        ]
        assert "bronze.orders even: failed (critical), 1 of 2 rows" in str(report)
        assert lh.sql("SELECT count(*) FROM bronze.orders").collect() == [(2,)]
        with pytest.raises(UsageError):
            lh.check(engine="pandas")
