"""One YAML document, or the same as a Python mapping, becomes one dataset."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from lakehouse.definition.columns import read_columns
from lakehouse.definition.dataset import (
    Dataset,
    ExternalTable,
    Layout,
    MaterializedView,
    RefreshPolicy,
    SqlQuery,
    StreamingTable,
    TemporaryView,
)
from lakehouse.definition.declared_name import table_name, view_name
from lakehouse.definition.document import Document
from lakehouse.definition.expectation import Expectation
from lakehouse.definition.expectation_reading import read_expectations
from lakehouse.definition.file_source import read_flows
from lakehouse.definition.project import ProjectSpec
from lakehouse.definition.sql_query import read_query
from lakehouse.definition.strict_model import StrictModel, Texts, Words, checked
from lakehouse.definition.suite_file import with_suite
from lakehouse.errors import DefinitionError, DefinitionErrors, InvalidValue, UnknownKey


class DatasetModel(StrictModel):
    """The keys that every dataset has."""

    comment: str | None = None
    tags: Words = Field(default_factory=list)


class StoredModel(DatasetModel):
    """The keys of what is stored. Columns and expectations are read by their own modules."""

    columns: Any = None
    properties: Texts = Field(default_factory=dict)
    table_properties: Texts = Field(default_factory=dict)
    partition_by: Words = Field(default_factory=list)
    cluster_by: Words = Field(default_factory=list)
    primary_key: Words = Field(default_factory=list)
    expectations: Any = None
    suite: str | None = None


class StreamingTableModel(StoredModel):
    """The keys of a streaming table."""

    streaming_table: str
    source: Any = None
    sources: Any = None


class MaterializedViewModel(StoredModel):
    """The keys of a materialized view."""

    materialized_view: str
    query: str
    spark_conf: Texts = Field(default_factory=dict)
    refresh_policy: Annotated[RefreshPolicy, Field(strict=False)] = RefreshPolicy.AUTO  # by its word


class TemporaryViewModel(DatasetModel):
    """The keys of a temporary view."""

    temporary_view: str
    query: str
    expectations: Any = None


class ExternalTableModel(DatasetModel):
    """The keys of a table that others write."""

    external_table: str
    location: str


MODELS: dict[str, type[DatasetModel]] = {
    "streaming_table": StreamingTableModel,
    "materialized_view": MaterializedViewModel,
    "temporary_view": TemporaryViewModel,
    "external_table": ExternalTableModel,
}


def read_dataset(document: Document, spec: ProjectSpec) -> Dataset:
    """The dataset that a document declares.

    Raises UnknownKey, InvalidValue or DuplicateName, or DefinitionErrors with all that is wrong in it.
    """
    value = document.value
    if not isinstance(value, dict):
        raise InvalidValue("a dataset must be a mapping that starts with its kind and name.", where=document.where())
    kinds = [key for key in value if key in MODELS]
    if not kinds:
        first = next(iter(value), "")
        raise UnknownKey(first, MODELS, inside="a dataset without a kind", where=document.where(first))
    if len(kinds) > 1:
        raise InvalidValue(f"a dataset has one kind, not {' and '.join(kinds)}.", where=document.where(kinds[1]))
    return _Reading(document, spec, kinds[0]).dataset()


class _Reading:
    """One dataset's parts, each read on its own, so that all their problems show at once."""

    def __init__(self, document: Document, spec: ProjectSpec, kind: str) -> None:
        self.document, self.spec, self.kind = document, spec, kind
        self.value: dict[str, Any] = document.value
        self.where = document.where(kind)
        self.inside = f"{kind.replace('_', ' ')} '{self.value[kind]}'"
        self.problems: list[DefinitionError] = []

    def dataset(self) -> Dataset:
        model = self._part(lambda: checked(MODELS[self.kind], self.document, (), self.value, inside=self.inside))
        named = view_name if self.kind == "temporary_view" else table_name
        name = self._part(lambda: named(str(self.value[self.kind]), self.spec, self.where))
        columns = self._part(lambda: read_columns(self.document, self.value["columns"]), key="columns")
        expectations = self._expectations()
        flows = None
        if self.kind == "streaming_table":
            flows = self._part(lambda: read_flows(self.document, str(name or self.value[self.kind]), self.value))
        query = self._part(self._query, key="query")
        if self.problems:
            raise DefinitionErrors(self.problems) if len(self.problems) > 1 else self.problems[0]
        return self._assembled(model, name, columns or (), expectations or (), flows or query)

    def _expectations(self) -> tuple[Expectation, ...]:
        """Those that are declared here, then those of a suite."""
        here: tuple[Expectation, ...] | None = self._part(
            lambda: read_expectations(self.document, ("expectations",), self.value["expectations"]), key="expectations"
        )
        name = self.value.get("suite")
        if "suite" not in MODELS[self.kind].model_fields or not isinstance(name, str):
            return here or ()  # the model says what is wrong
        return self._part(lambda: with_suite(here or (), self.spec.root, name, self.document.where("suite"))) or ()

    def _part(self, read: Any, *, key: str | None = None) -> Any:
        if key is not None and self.value.get(key) is None:
            return None
        try:
            return read()
        except DefinitionErrors as several:
            self.problems.extend(several.problems)
        except DefinitionError as problem:
            self.problems.append(problem)
        return None

    def _query(self) -> SqlQuery | None:
        text = self.value["query"]
        if not isinstance(text, str):
            return None  # the model has said so
        return read_query(text, self.spec.catalog, self.document.text_where("query"), of=self.inside)

    def _assembled(
        self, model: Any, name: Any, columns: Any, expectations: tuple[Expectation, ...], source: Any
    ) -> Dataset:
        described = {"name": name, "comment": model.comment, "tags": tuple(model.tags), "location": self.where}
        if isinstance(model, ExternalTableModel):
            return ExternalTable(path=model.location, **described)
        if isinstance(model, TemporaryViewModel):
            return TemporaryView(query=source, expectations=expectations, **described)
        layout = Layout(
            columns=columns,
            properties=tuple(sorted({**model.properties, **model.table_properties}.items())),
            partition_by=tuple(model.partition_by),
            cluster_by=tuple(model.cluster_by),
            primary_key=tuple(model.primary_key),
        )
        check_layout(layout, self.inside, self.document)
        if isinstance(model, StreamingTableModel):
            return StreamingTable(flows=source, layout=layout, expectations=expectations, **described)
        return MaterializedView(
            query=source,
            layout=layout,
            expectations=expectations,
            spark_conf=tuple(sorted(model.spark_conf.items())),
            refresh_policy=model.refresh_policy,
            **described,
        )


def check_layout(layout: Layout, inside: str, document: Document) -> None:
    """Raises InvalidValue where parts of a layout exclude each other."""
    if layout.partition_by and layout.cluster_by:
        raise InvalidValue(
            f"{inside} cannot have both 'partition_by' and 'cluster_by'.",
            where=document.where("cluster_by"),
            hint="Delta clusters or partitions a table; keep one.",
        )
