"""Whole projects, of the shapes that public projects for Spark Declarative Pipelines and Delta Live Tables have."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lakehouse.definition.dataset import MaterializedView, SqlQuery
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionErrors, DuplicateName, InvalidValue, UndefinedVariable, UnknownKey
from lakehouse.names import TableName

Load = Callable[..., Project]
Write = Callable[[Mapping[str, str]], Path]

SPEC = "name: p\ndatabase: silver\ncatalog: main\nconfiguration: {landing: in, days: 3}\nlibraries:\n"


def test_the_three_ways_together_in_order_of_declaration(load: Load) -> None:
    files = {
        "spark-pipeline.yml": SPEC + "  - glob: {include: z/**}\n  - glob: {include: a/**}\n",
        "a/two.sql": "CREATE MATERIALIZED VIEW c AS SELECT 1;\nCREATE MATERIALIZED VIEW d AS SELECT 1;",
        "a/one.py": "from pyspark import pipelines as dp\n@dp.table\ndef b(): pass\n",
        "z/three.yaml": "materialized_view: a\nquery: SELECT ${days}\n",
    }
    project = load(files)
    assert [dataset.name.name for dataset in project.datasets] == ["a", "b", "c", "d"]
    view = project.by_name[TableName("silver", "a")]
    assert isinstance(view, MaterializedView)
    assert isinstance(view.query, SqlQuery)
    assert view.query.text == "SELECT 3"
    assert project.notices == ()


def test_problems_of_all_files_are_reported_together(load: Load) -> None:
    files = {
        "tables/a.yml": "materialized_view: a\nqury: x\n",
        "tables/b.sql": "CREATE MATERIALIZED VIEW b AS SELECT ${x};\n",
        "tables/c.sql": "DROP TABLE b",
        "tables/d.yml": "a: [",
        "tables/e.yml": "materialized_view: e\nquery: SELECT 1\n",
        "tables/f.sql": "CREATE MATERIALIZED VIEW e AS SELECT 1",
    }
    with pytest.raises(DefinitionErrors) as caught:
        load(files)
    assert [(type(p), p.where and p.where.file) for p in caught.value.problems] == [
        (UnknownKey, "tables/a.yml"),
        (UndefinedVariable, "tables/b.sql"),
        (InvalidValue, "tables/c.sql"),
        (InvalidValue, "tables/d.yml"),
        (DuplicateName, "tables/f.sql"),
    ]


def test_which_files_are_read(load: Load) -> None:
    view = "CREATE MATERIALIZED VIEW {} AS SELECT 1"
    files = {
        "spark-pipeline.yml": SPEC + "  - glob: {include: '**'}\naccess: access.yml\n",
        "one.sql": view.format("a"),
        "deep/er/two.SQL": view.format("b"),
        "__pycache__/x.sql": view.format("c"),
        ".hidden/x.sql": view.format("d"),
        "conf/prod.yml": "catalog: x",
        "access.yml": "rules: []",
        "warehouse/silver/a/x.yml": "y: 1",
        "README.md": "text",
    }
    project = load(files)
    assert [dataset.name.name for dataset in project.datasets] == ["a", "b"]
    assert len(project.notices) == 1
    assert "README.md" in project.notices[0]


def test_a_file_that_two_libraries_name_is_read_once(load: Load) -> None:
    files = {
        "spark-pipeline.yml": SPEC + "  - glob: {include: t/a.sql}\n  - glob: {include: t/**}\n",
        "t/a.sql": "CREATE MATERIALIZED VIEW a AS SELECT 1",
    }
    assert len(load(files).datasets) == 1


@pytest.mark.parametrize("include", ["nothing/**", "nothing.sql", "tables", "/abs/**"])
def test_a_library_that_names_nothing(load: Load, include: str) -> None:
    with pytest.raises(InvalidValue):
        load({"spark-pipeline.yml": SPEC + f"  - glob: {{include: {include}}}\n"})


def test_a_folder_that_may_not_be_read_is_not_left_out(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refusing(folder: str) -> Any:  # root may read whatever its mode says
        if str(folder).endswith("tables/closed"):
            raise PermissionError(errno.EACCES, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(InvalidValue) as caught:
        load({"tables/closed/a.sql": "CREATE MATERIALIZED VIEW a AS SELECT 1;"})
    assert caught.value.where is not None
    assert caught.value.where.file == "spark-pipeline.yml"


def test_an_empty_library_is_a_notice(load: Load) -> None:
    project = load({"tables/a.sql": "-- nothing yet\n"})
    assert project.datasets == ()
    assert len(project.notices) == 1


def test_a_file_that_is_not_utf_8(write: Write, load: Load) -> None:
    root = write({})
    (root / "tables" / "a.sql").write_bytes(b"-- one\n-- caf\xe9\n")
    with pytest.raises(InvalidValue) as caught:
        load({})
    assert caught.value.where is not None
    assert caught.value.where.line == 2


@pytest.mark.parametrize("name", ["a.sql", "a.yml", "a.py"])
def test_a_file_that_cannot_be_read(write: Write, load: Load, name: str) -> None:
    root = write({"tables/b.sql": "CREATE MATERIALIZED VIEW b AS SELEC 1"})
    (root / "tables" / name).symlink_to("gone")
    with pytest.raises(DefinitionErrors) as caught:
        load({})
    places = {problem.where.file for problem in caught.value.problems if problem.where}
    assert places == {f"tables/{name}", "tables/b.sql"}, "and it hides no other"


def test_a_temporary_view_hides_no_table(load: Load) -> None:
    sql = "CREATE MATERIALIZED VIEW silver.a AS SELECT 1; CREATE TEMPORARY VIEW a AS SELECT 2;"
    with pytest.raises(DuplicateName):
        load({"tables/a.sql": sql})
    assert len(load({"tables/a.sql": sql.replace("silver.a", "gold.a")}).datasets) == 2


def test_variables_come_from_the_spec_the_target_and_the_command_line(load: Load) -> None:
    files = {
        "spark-pipeline.yml": SPEC + "  - glob: {include: tables/**}\n",
        "conf/prod.yml": "configuration: {landing: s3://in}",
        "tables/a.yml": "streaming_table: a\nsource:\n  files: ${landing}/*.csv\n  max_bad_files: ${days}\n",
    }
    (table,) = load(files, target="prod", variables={"days": "9"}).datasets
    (flow,) = table.flows  # type: ignore[attr-defined]
    assert (flow.source.files, flow.source.max_bad_files) == ("s3://in/*.csv", 9)


def test_a_project_of_sql_and_yaml_imports_neither_pyspark_nor_great_expectations(write: Write) -> None:
    root = write(
        {
            "tables/a.sql": "CREATE MATERIALIZED VIEW a AS SELECT 1",
            "tables/b.yml": "materialized_view: b\nquery: SELECT 1\n"
            "expectations: [{expect_column_values_to_not_be_null: {column: a}}]\n",
        }
    )
    program = (
        "import sys; from pathlib import Path; from lakehouse.definition.loading import load_project;"
        "load_project(Path(sys.argv[1]));"
        "print({'pyspark', 'great_expectations', 'deltalake', 'pandas'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_project_of_spark_declarative_pipelines(load: Load) -> None:
    files = {
        "spark-pipeline.yaml": """\
        name: orders
        storage: file:///tmp/orders
        catalog: main
        database: shop
        libraries:
          - glob:
              include: transformations/**
        """,
        "transformations/01_customers.py": """\
        from pyspark import pipelines as dp
        from pyspark.sql import DataFrame, SparkSession
        from pyspark.sql.functions import col, current_timestamp

        spark = SparkSession.active()


        @dp.materialized_view
        def customers() -> DataFrame:
            return spark.read.format("csv").load("data/customers.csv").withColumn("at", current_timestamp())


        @dp.materialized_view(comment="those who order")
        def active_customers() -> DataFrame:
            return spark.read.table("customers").where(col("orders") > 0)
        """,
        "transformations/02_orders.sql": """\
        -- what is ordered; bronze
        CREATE MATERIALIZED VIEW raw_orders AS
        SELECT 1 AS id, 'a;b' AS text;   -- not; the end

        /* silver; joined */
        CREATE MATERIALIZED VIEW orders AS
        WITH orders AS (SELECT * FROM raw_orders)
        SELECT o.* FROM orders o JOIN main.shop.active_customers c ON o.id = c.id
        """,
        "transformations/notes.md": "notes",
        "transformations/nothing.py": "",
    }
    project = load(files)
    assert [str(name) for name in project.by_name] == [
        "shop.customers",
        "shop.active_customers",
        "shop.raw_orders",
        "shop.orders",
    ]
    orders = project.by_name[TableName("shop", "orders")]
    assert isinstance(orders, MaterializedView)
    assert isinstance(orders.query, SqlQuery)
    assert "JOIN shop.active_customers" in orders.query.text


def test_a_project_of_delta_live_tables(load: Load) -> None:
    files = {
        "spark-pipeline.yml": """\
        name: retail
        database: retail
        configuration: {retail.landing: data/landing}
        libraries: [{glob: {include: pipelines/DLT-Pipeline.py}}, {glob: {include: pipelines/gold.sql}}]
        """,
        "pipelines/DLT-Pipeline.py": """\
        from lakehouse import pipelines as dlt
        from pyspark.sql.functions import *
        from pyspark.sql.types import *

        LANDING = spark.conf.get("retail.landing")
        RULES = {"has_id": "id IS NOT NULL", "positive": "amount > 0"}

        dlt.streaming_table("raw_sales", files=LANDING + "/*.json", comment="as delivered")


        @dlt.table(comment="clean", table_properties={"quality": "silver"})
        @dlt.expect_all_or_drop(RULES)
        @dlt.expect("recent", "year > 2000")
        def sales():
            return spark.table("LIVE.raw_sales").withColumn("year", year("at"))


        def by_region(region):
            @dlt.table(name=f"sales_{region}")
            def region_table():
                return spark.table("LIVE.sales").where(col("region") == region)


        for region in ["north", "south"]:
            by_region(region)
        """,
        "pipelines/gold.sql": """\
        CREATE OR REFRESH MATERIALIZED VIEW totals (
          CONSTRAINT some EXPECT (n > 0) ON VIOLATION FAIL UPDATE
        ) COMMENT "per region" AS
        SELECT region, count(*) AS n FROM LIVE.sales GROUP BY region;
        """,
    }
    project = load(files)
    assert [dataset.name.name for dataset in project.datasets] == [
        "raw_sales",
        "sales",
        "sales_north",
        "sales_south",
        "totals",
    ]
    assert [len(dataset.expectations) for dataset in project.stored] == [0, 3, 0, 0, 1]
    totals = project.stored[-1]
    assert isinstance(totals, MaterializedView)
    assert isinstance(totals.query, SqlQuery)
    assert "FROM sales" in totals.query.text
