"""Queries of policies, run as the owner of the tables: over every published table, unfiltered and unmasked."""

from __future__ import annotations

from typing import Any

from lakehouse.analysis.catalyst import analysed_plan, patterns_in
from lakehouse.catalog.mapping_query import QueryAnswer
from lakehouse.catalog.value_literals import as_literal, carried, ddl
from lakehouse.errors import InvalidValue, LakehouseError
from lakehouse.serving.published_reader import PublishedReader


class Definer:
    """Answers through `reader`, which must read the versions that the policy's tables are read at."""

    def __init__(self, reader: PublishedReader) -> None:
        self._reader = reader

    def ask(self, query: str, most: int) -> QueryAnswer:
        """At most `most` distinct values of a query of one column, as literals, in no order.

        Raises InvalidValue for a query that reads columns from outside of it or does not run, has several columns,
        or depends on the moment, on who asks or on chance. No message holds a value.
        """
        try:
            frame = self._reader.sql(query)
        except LakehouseError as error:
            raise InvalidValue("a subquery does not run by itself.") from error
        plan = analysed_plan(frame)
        if not plan.deterministic() or patterns_in(plan, "CURRENT_LIKE"):
            raise InvalidValue("a subquery depends on when or by whom it is run, or on chance.")
        if len(frame.columns) != 1:
            raise InvalidValue("a subquery gives several columns; expected one.")
        if "collate" in frame.schema.simpleString():
            raise InvalidValue("a subquery gives text with a collation, which a literal does not have.")
        kind: Any = frame.schema.jsonValue()["fields"][0]["type"]
        values = frame.toDF("value").selectExpr(f"{carried('value', kind)} AS value").distinct().limit(most)
        try:
            rows = values.collect()
        except Exception as error:  # whatever Spark or a row of data raises; its text may hold values
            raise InvalidValue("a subquery fails when it is run.") from error
        return QueryAnswer(ddl(kind), tuple(as_literal(row[0], kind) for row in rows))
