"""SQL files: CREATE MATERIALIZED VIEW, STREAMING TABLE and TEMPORARY VIEW statements become datasets."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.definition.dataset import (
    Dataset,
    Flow,
    MaterializedView,
    RefreshPolicy,
    StreamingTable,
    TemporaryView,
)
from lakehouse.definition.declared_name import table_name, view_name
from lakehouse.definition.document import Declarations
from lakehouse.definition.project import ProjectSpec
from lakehouse.definition.read_files import read_file_query
from lakehouse.definition.sql_clauses import Clauses, read_clauses
from lakehouse.definition.sql_cursor import Cursor
from lakehouse.definition.sql_query import read_query
from lakehouse.definition.sql_text import Token, statements, tokenize
from lakehouse.definition.substitution import substitute_sql
from lakehouse.errors import DefinitionError, DefinitionErrors, InvalidValue, SourceLocation
from lakehouse.names import TableName

_WHAT_IS_EXPECTED = "Expected CREATE MATERIALIZED VIEW, CREATE STREAMING TABLE or CREATE TEMPORARY VIEW."
_HINTS = {
    "SET": "Write it under 'configuration:' of the spec, or under 'spark_conf' of a dataset.",
    "USE": "Write 'catalog:' and 'database:' in the spec.",
}


def read_sql(text: str, file: str, spec: ProjectSpec) -> Declarations:
    """What the statements of a SQL file declare, with the problems of the others. Raises nothing."""
    datasets: list[Dataset] = []
    problems: list[DefinitionError] = []
    notices: list[str] = []
    try:
        expanded = substitute_sql(text, spec.configuration, SourceLocation(file, 1))
        found = statements(tokenize(expanded, SourceLocation(file, 1)))
    except DefinitionError as problem:
        return Declarations(problems=(problem,))
    for statement in found:
        try:
            datasets.append(_read_statement(Cursor(statement, expanded, file), spec, notices))
        except DefinitionErrors as several:
            problems.extend(several.problems)
        except DefinitionError as problem:
            problems.append(problem)
    return Declarations(datasets=tuple(datasets), problems=tuple(problems), notices=tuple(notices))


def _read_statement(cursor: Cursor, spec: ProjectSpec, notices: list[str]) -> Dataset:
    where = cursor.where()
    if not cursor.accept("CREATE"):
        raise _not_a_declaration(cursor, cursor.tokens[:1])
    if cursor.accept("OR") and not (cursor.accept("REFRESH") or cursor.accept("REPLACE")):
        raise cursor.unexpected("REFRESH")
    private = cursor.accept("PRIVATE")
    kind = _kind(cursor)
    cursor.accept("IF", "NOT", "EXISTS")
    name_where = cursor.where()
    named = view_name if kind is TemporaryView else table_name
    name = named(cursor.name(), spec, name_where)
    if private:
        notices.append(f"{where}: PRIVATE says nothing here; access rules decide who reads '{name}'.")
    clauses = read_clauses(cursor)
    if clauses.refresh_policy is not None and kind is not MaterializedView:
        raise InvalidValue(
            f"only a materialized view has a refresh policy, and '{name}' is none.", where=clauses.policy_where
        )
    if kind is StreamingTable:
        return _streaming_table(cursor, clauses, name, where)
    if cursor.at_end:
        raise InvalidValue(f"'{name}' has no query; expected AS SELECT ….", where=where)
    begins = cursor.where()
    first, last = cursor.tokens[cursor.position], cursor.tokens[-1]
    query = read_query(cursor.text[first.start : last.end], spec.catalog, begins, of=f"'{name}'")
    expectations = tuple(clauses.expectations.values())
    if kind is MaterializedView:
        return MaterializedView(
            name=name,
            comment=clauses.comment,
            location=where,
            query=query,
            layout=clauses.layout(),
            expectations=expectations,
            refresh_policy=clauses.refresh_policy or RefreshPolicy.AUTO,
        )
    if clauses.properties or clauses.partition_by or clauses.cluster_by or clauses.columns:
        raise InvalidValue(
            f"the temporary view '{name}' is not stored, so it has no columns, properties or partitions.", where=where
        )
    return TemporaryView(name=name, comment=clauses.comment, location=where, query=query, expectations=expectations)


def _streaming_table(cursor: Cursor, clauses: Clauses, name: TableName, where: SourceLocation) -> StreamingTable:
    if cursor.at_end:
        raise InvalidValue(
            f"streaming table '{name}' has no query, so nothing would feed it.",
            where=where,
            hint="Write AS SELECT … FROM STREAM read_files('path', …).",
        )
    source = read_file_query(cursor, str(name))
    flow = Flow(name=str(name), source=source, location=source.location)
    return StreamingTable(
        name=name,
        comment=clauses.comment,
        location=where,
        flows=(flow,),
        layout=clauses.layout(),
        expectations=tuple(clauses.expectations.values()),
    )


def _kind(cursor: Cursor) -> type[Dataset]:
    if cursor.accept("MATERIALIZED", "VIEW"):
        return MaterializedView
    if cursor.accept("STREAMING", "TABLE"):
        return StreamingTable
    if cursor.accept("TEMPORARY", "VIEW") or cursor.accept("TEMP", "VIEW") or cursor.accept("VIEW"):
        return TemporaryView
    if cursor.accept("FLOW"):
        raise InvalidValue(
            "CREATE FLOW is not supported yet: streaming tables are fed by files for now.",
            where=cursor.where(cursor.tokens[0]),
            hint="Give a streaming table several 'sources' in YAML.",
        )
    raise _not_a_declaration(cursor, cursor.tokens[: cursor.position + 2])


def _not_a_declaration(cursor: Cursor, tokens: Sequence[Token]) -> InvalidValue:
    statement = " ".join(token.text.upper() for token in tokens)
    return InvalidValue(
        f"{statement} declares no dataset, so it cannot stand in a definition file.",
        where=cursor.where(cursor.tokens[0]),
        hint=_HINTS.get(tokens[0].text.upper(), _WHAT_IS_EXPECTED),
    )
