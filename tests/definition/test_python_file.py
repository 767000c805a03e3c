from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark import SparkContext
from pyspark.sql import SparkSession

from lakehouse.definition.dataset import Column, MaterializedView, PythonQuery, StreamingTable, TemporaryView
from lakehouse.definition.expectation import OnViolation, Severity
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionError, DuplicateName, InvalidValue, SourceLocation, UndefinedVariable, UnknownKey
from lakehouse.names import TableName

Load = Callable[..., Project]
Write = Callable[[Mapping[str, str]], Path]

HEAD = "from lakehouse import pipelines as dp\n"
SPARK_HEAD = "from pyspark import pipelines as dp\n"


@pytest.fixture(autouse=True)
def _no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    # Other tests of the same process may have started Spark.
    monkeypatch.setattr(SparkContext, "_active_spark_context", None)


def problem_of(load: Load, text: str, **settings: Any) -> Any:
    with pytest.raises(DefinitionError) as caught:
        load({"tables/a.py": text}, **settings)
    return caught.value


def only(load: Load, text: str) -> Any:
    (dataset,) = load({"tables/a.py": text}).datasets
    return dataset


def test_a_table_of_pyspark_is_a_materialized_view(load: Load) -> None:
    text = SPARK_HEAD + (
        "@dp.table(name='gold.a', comment='c', table_properties={'k': 'v'}, partition_cols=['x'],\n"
        "          schema='x INT, y STRING NOT NULL', spark_conf={'s': '1'}, format='delta')\n"
        "def a():\n    return spark.table('b')\n"
        "@dp.materialized_view\ndef b():\n    return 2\n"
        "@dp.temporary_view\ndef c():\n    return 3\n"
    )
    a, b, c = load({"tables/a.py": text}).datasets
    assert isinstance(a, MaterializedView)
    assert (a.name, a.comment, a.spark_conf) == (TableName("gold", "a"), "c", (("s", "1"),))
    assert a.location == SourceLocation("tables/a.py", 2)
    assert a.layout.columns == (Column(name="x", type="INT"), Column(name="y", type="STRING", nullable=False))
    assert (a.layout.partition_by, a.layout.properties) == (("x",), (("k", "v"),))
    assert isinstance(b, MaterializedView)
    assert b.name == TableName("silver", "b")
    assert isinstance(b.query, PythonQuery)
    assert b.query.function() == 2
    assert len(b.query.code) == 64
    assert isinstance(c, TemporaryView)
    assert c.name == TableName("", "c")


def test_a_struct_type_is_columns(load: Load) -> None:
    text = SPARK_HEAD + (
        "from pyspark.sql.types import *\n"
        "S = StructType([StructField('x', ArrayType(IntegerType()), False, {'comment': 'c'})])\n"
        "@dp.materialized_view(schema=S)\ndef a():\n    pass\n"
    )
    assert only(load, text).layout.columns == (Column(name="x", type="array<int>", comment="c", nullable=False),)


@pytest.mark.parametrize(
    "head", [HEAD, SPARK_HEAD + "from lakehouse.pipelines import *\nfrom pyspark import pipelines as dp\n"]
)
def test_expectations_stack_above_and_below(load: Load, head: str) -> None:
    text = head + (
        "from lakehouse.pipelines import expect, expect_or_drop, expect_or_fail, expect_all_or_quarantine\n"
        "@expect('one', 'a > 1')\n"
        "@expect_or_fail('two', 'a > 2')\n"
        "@dp.table(name='t')\n"
        "@expect_or_drop('three', 'a > 3')\n"
        "@expect_all_or_quarantine({'four': 'a > 4', 'five': 'a > 5'})\n"
        "def t():\n    return 1\n"
        "assert callable(t)\n"
    )
    table = only(load, text)
    first = head.count("\n") + 2
    assert [(e.name, e.condition, e.on_violation, e.location.line) for e in table.expectations] == [
        ("one", "a > 1", OnViolation.WARN, first),
        ("two", "a > 2", OnViolation.FAIL, first + 1),
        ("three", "a > 3", OnViolation.DROP, first + 3),
        ("four", "a > 4", OnViolation.QUARANTINE, first + 4),
        ("five", "a > 5", OnViolation.QUARANTINE, first + 4),
    ]


@pytest.mark.parametrize("above", [True, False], ids=["above", "below"])
def test_every_decorator_says_what_a_violation_does(load: Load, above: bool) -> None:
    actions = {"": OnViolation.WARN, "_or_drop": OnViolation.DROP, "_or_quarantine": OnViolation.QUARANTINE}
    actions["_or_fail"] = OnViolation.FAIL
    decorators = [f"@dp.expect{suffix}('one{suffix}', 'a > 1')" for suffix in actions]
    decorators += [f"@dp.expect_all{suffix}({{'all{suffix}': 'a > 2', 'more{suffix}': 'a > 3'}})" for suffix in actions]
    dataset = "@dp.materialized_view(name='t')"
    lines = [*decorators, dataset] if above else [dataset, *decorators]
    view = only(load, HEAD + "\n".join(lines) + "\ndef t():\n    return 1\n")
    assert {(e.name, e.condition): e.on_violation for e in view.expectations} == {
        (f"{name}{suffix}", condition): action
        for suffix, action in actions.items()
        for name, condition in (("one", "a > 1"), ("all", "a > 2"), ("more", "a > 3"))
    }


def test_great_expectations_tags_and_keys(load: Load) -> None:
    text = HEAD + (
        "@dp.materialized_view(tags=['x'], primary_key=['a'], name='m')\n"
        "@dp.expect_or_quarantine(expectation='expect_column_values_to_not_be_null', column='a', severity='info')\n"
        "@dp.expect('named', expectation='expect_column_to_exist', column='b')\n"
        "def t():\n    return 1\n"
    )
    view = only(load, text)
    assert (view.tags, view.layout.primary_key) == (("x",), ("a",))
    first, second = view.expectations
    assert (first.type, first.arguments) == ("expect_column_values_to_not_be_null", {"column": "a"})
    assert (first.severity, first.on_violation) == (Severity.INFO, OnViolation.QUARANTINE)
    assert (second.name, second.type) == ("named", "expect_column_to_exist")


def test_a_file_fed_table(load: Load) -> None:
    text = HEAD + (
        "dp.streaming_table(\n"
        "    'raw.a', files='in/*.csv', options={'header': True}, schema='a INT', deduplicate='content',\n"
        "    comment='c', partition_cols=['a'], expectations=[{'expect': 'a > 0'}],\n"
        ")\n"
    )
    table = only(load, text)
    assert isinstance(table, StreamingTable)
    (flow,) = table.flows
    assert (flow.source.files, flow.source.format, flow.source.options) == ("in/*.csv", "csv", (("header", "true"),))
    assert flow.source.deduplicate_content
    assert (table.comment, table.layout.partition_by, len(table.expectations)) == ("c", ("a",), 1)
    assert table.location.line == 2


def test_a_loop_makes_datasets_each_with_its_own_value(load: Load) -> None:
    text = SPARK_HEAD + (
        "for region in ('eu', 'us'):\n"
        "    def make(region=region):\n"
        "        @dp.materialized_view(name=f'gold.{region}')\n"
        "        def view():\n            return region\n"
        "    make()\n"
    )
    eu, us = load({"tables/a.py": text}).datasets
    assert (eu.query.function(), us.query.function()) == ("eu", "us")
    assert eu.query.code != us.query.code


SESSIONS = """
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
s1 = SparkSession.active()
s2 = SparkSession.getActiveSession()
s3 = SparkSession.builder.appName("x").config("a", "b").getOrCreate()
assert s1 is s2 is s3 is spark
landing = spark.conf.get("landing")
other = spark.conf.get("other", "nothing")
reader = spark.read
spark.stop()
@dp.table
def a():
    return landing, other
"""


def test_sessions_asked_for_at_import_start_nothing(load: Load) -> None:
    before = {name: SparkSession.__dict__[name] for name in ("active", "getActiveSession")}
    (a,) = load({"tables/a.py": SPARK_HEAD + SESSIONS}, variables={"landing": "in"}).datasets
    assert a.query.function() == ("in", "nothing")
    assert {name: SparkSession.__dict__[name] for name in before} == before
    assert SparkSession.Builder.getOrCreate.__qualname__ == "SparkSession.Builder.getOrCreate"


def test_imports_from_the_project_and_relative_paths(load: Load, tmp_path: Path) -> None:
    files = {
        "utilities/__init__.py": "",
        "utilities/rules.py": "NAME = 'gold.x'\n",
        "tables/DLT-Pipeline.py": SPARK_HEAD
        + (
            "import os\nfrom pathlib import Path\nfrom dataclasses import dataclass\n"
            "from utilities import rules\nimport beside\n"
            "@dataclass\nclass C:\n    x: 'int'\n"
            "assert Path('data/a.txt').read_text() == 'hello'\n"
            "assert Path(__file__).name == 'DLT-Pipeline.py'\n"
            "assert __name__ != '__main__'\n"
            "@dp.table(name=rules.NAME)\ndef x():\n    import late\n    return late.VALUE + beside.VALUE\n"
        ),
        "tables/beside.py": "VALUE = 1\n",
        "late.py": "VALUE = 2\n",
        "data/a.txt": "hello",
    }
    path, folder = list(sys.path), os.getcwd()
    (view,) = load(files).datasets
    assert view.name == TableName("gold", "x")
    assert (sys.path, os.getcwd()) == (path, folder)
    assert not {"utilities", "utilities.rules", "beside"} & sys.modules.keys()
    assert view.query.function() == 3
    assert sys.path == path
    del sys.modules["late"]


def test_code_of_imported_project_functions_counts(load: Load) -> None:
    text = SPARK_HEAD + "import rules\n@dp.table\ndef x():\n    return rules.f()\n"
    codes = [
        only_code(load({"tables/a.py": text, "rules.py": f"def f():\n    return {value}\n"})) for value in (1, 22, 1)
    ]
    assert codes[0] == codes[2] != codes[1]


def only_code(project: Project) -> str:
    (dataset,) = project.datasets
    assert isinstance(dataset, MaterializedView)
    assert isinstance(dataset.query, PythonQuery)
    return dataset.query.code


def test_a_file_without_definitions(load: Load) -> None:
    assert load({"tables/a.py": "x = 1\n"}).datasets == ()


@pytest.mark.parametrize(
    ("text", "error", "line"),
    [
        ("x = 1\ndef f(:\n", InvalidValue, 2),
        ("x = 1\n1 / 0\n", DefinitionError, 2),
        ("def f():\n    raise KeyError('k')\n\nf()\n", DefinitionError, 2),
        ("import sys\nsys.exit(3)\n", DefinitionError, 2),
        ("import nothing_of_this_name\n", DefinitionError, 1),
        (SPARK_HEAD + "@dp.expect('a', 'b')\ndef f(): pass\n", DefinitionError, 2),
        (SPARK_HEAD + "dp.create_streaming_table('a')\n", InvalidValue, 2),
        (SPARK_HEAD + "dp.create_streaming_table('a')\n@dp.append_flow(target='a')\ndef a(): pass\n", InvalidValue, 3),
        (SPARK_HEAD + "dp.create_sink('a', 'kafka')\n", InvalidValue, 2),
        (SPARK_HEAD + "@dp.table(format='parquet')\ndef a(): pass\n", InvalidValue, 2),
        (SPARK_HEAD + "@dp.table(nme='x')\ndef a(): pass\n", DefinitionError, 2),
        (SPARK_HEAD + "@dp.table(name=3)\ndef a(): pass\n", DefinitionError, 2),
        (SPARK_HEAD + "@dp.table(name='a b')\ndef a(): pass\n", InvalidValue, 2),
        (SPARK_HEAD + "@dp.temporary_view(name='s.a')\ndef a(): pass\n", InvalidValue, 2),
        (SPARK_HEAD + "@dp.table(schema='a INT, A INT')\ndef a(): pass\n", DuplicateName, 2),
        (SPARK_HEAD + "@dp.table(partition_cols=['a'], cluster_by=['b'])\ndef a(): pass\n", InvalidValue, 2),
        (SPARK_HEAD + "for i in (1, 2):\n    @dp.table\n    def a(): pass\n", DuplicateName, 3),
        (HEAD + "@dp.expect('a')\n@dp.table\ndef a(): pass\n", InvalidValue, 2),
        (HEAD + "@dp.table\n@dp.expect(expectation='expect_column_to_exst')\ndef a(): pass\n", UnknownKey, 3),
        (HEAD + "@dp.table\n@dp.expect('x', 'a')\n@dp.expect('x', 'b')\ndef a(): pass\n", DuplicateName, 4),
        (HEAD + "dp.streaming_table('a', file='x.csv')\n", UnknownKey, 2),
        (HEAD + "x = 1\ndp.streaming_table('a', files='x.csv', on_change='no')\n", InvalidValue, 3),
        ("x = 1\nspark.conf.get('landng')\n", UndefinedVariable, 2),
        ("x = 1\nspark.conf.set('a', 'b')\n", InvalidValue, 2),
        ("x = 1\nspark.readStream.table('a')\n", InvalidValue, 2),
        ("x = 1\nspark.range(3)\n", InvalidValue, 2),
        ("from pyspark.sql import functions as F\nX = F.col('a') > 3\n", InvalidValue, 2),
        ("from pyspark.sql import functions as F\n@F.udf('int')\ndef f(x): return x\n", InvalidValue, 2),
    ],
)  # fmt: skip
def test_mistakes_have_a_class_and_a_line_and_no_session_starts(
    load: Load, text: str, error: type[Exception], line: int
) -> None:
    problem = problem_of(load, text)
    assert type(problem) is error
    # Before 3.11 Python reports the line of the function where its decorator fails.
    lines = {line} if sys.version_info >= (3, 11) else {line, line + 1}
    assert problem.where in {SourceLocation("tables/a.py", found) for found in lines}


def test_a_duplicate_names_both_places(load: Load) -> None:
    files = {
        "tables/a.py": SPARK_HEAD + "@dp.table(name='x')\ndef a(): pass\n",
        "tables/b.sql": "\nCREATE MATERIALIZED VIEW silver.x AS SELECT 1",
    }
    with pytest.raises(DuplicateName) as caught:
        load(files)
    assert (caught.value.first, caught.value.where) == (
        SourceLocation("tables/a.py", 2),
        SourceLocation("tables/b.sql", 2),
    )


@pytest.mark.parametrize("module", ["dlt", "pyspark"])
def test_hints_of_what_to_import(load: Load, module: str) -> None:
    text = "import dlt\n" if module == "dlt" else SPARK_HEAD + "@dp.expect_or_drop('a', 'b')\ndef f(): pass\n"
    assert "lakehouse" in str(problem_of(load, text).hint)


def test_a_broken_file_hides_no_other(load: Load) -> None:
    with pytest.raises(DefinitionError) as caught:
        load({"tables/a.py": "1 / 0\n", "tables/b.py": "import nope_nope\n", "tables/c.yml": "x: 1\n"})
    assert len(getattr(caught.value, "problems", ())) == 3


class FakeSession:
    """Enough of a session to see that it is used, and how often one is opened."""

    opened = 0

    def __init__(self) -> None:
        FakeSession.opened += 1
        self.asked: list[str] = []

    def table(self, name: str) -> str:
        self.asked.append(name)
        return name


def test_a_session_is_opened_once_when_it_is_used(load: Load) -> None:
    FakeSession.opened = 0
    text = (
        SPARK_HEAD
        + "t = spark.table('LIVE.x')\nu = spark.read.table('spark_catalog.s.y')\n@dp.table\ndef a():\n    return t, u\n"
    )
    (a,) = load({"tables/a.py": text}, open_session=FakeSession).datasets
    assert FakeSession.opened == 1
    assert a.query.function() == ("x", "spark_catalog.s.y")


def test_a_session_is_not_opened_when_it_is_not_used(load: Load) -> None:
    FakeSession.opened = 0
    load({"tables/a.py": SPARK_HEAD + SESSIONS}, variables={"landing": "in"}, open_session=FakeSession)
    assert FakeSession.opened == 0


def test_an_error_of_opening_the_session_is_not_the_files(load: Load) -> None:
    from lakehouse.errors import InstallationError

    def broken() -> Any:
        raise InstallationError("no Java")

    with pytest.raises(InstallationError):
        load({"tables/a.py": "spark.range(1)\n"}, open_session=broken)


USES_SPARK = """\
from lakehouse import pipelines as dp
from pyspark.sql import functions as F

LARGE = (F.col("a") > 3) & (F.col("b") == "it's")


@dp.table
@dp.expect_or_drop("large", LARGE)
def t():
    return spark.range(5).where("id > 1")


@dp.table
def u():
    from pyspark.sql import SparkSession

    return SparkSession.builder.getOrCreate().sql("SELECT 1 AS x")
"""

PROGRAM = """\
import sys
from pathlib import Path
from pyspark.sql import SparkSession
from lakehouse.definition.loading import load_project

sessions = []

def open_session():
    sessions.append(SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate())
    return sessions[-1]

t, u = load_project(Path(sys.argv[1]), open_session=open_session).datasets
values = "VALUES (4, \\"it's\\"), (3, \\"it's\\"), (4, 'x') AS v(a, b)"
rows = sessions[0].sql(f"SELECT * FROM {values} WHERE {t.expectations[0].condition}").collect()
print([len(sessions), [tuple(row) for row in rows], t.query.function().count(), u.query.function().columns])
sessions[0].stop()
"""


@pytest.mark.spark
def test_expressions_at_import_open_a_session_and_columns_are_conditions(write: Write) -> None:
    # In a process of its own: it must be the first to start a session.
    root = write({"tables/a.py": USES_SPARK})
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(root)], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[1, [(4, \"it's\")], 3, ['x']]"
