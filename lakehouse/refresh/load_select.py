"""A source's `select`: SQL over the files' rows, which keeps saying which file and load each row came from."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame

from lakehouse.analysis.failure import describe_failure
from lakehouse.errors import QueryError, SourceLocation

_PLACEHOLDER = "{source}"
# A string, a quoted name, a comment, a bracket, or a word.
_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`]|``)*`|--[^\n]*|/\*.*?\*/|[()]|\w+""",
    re.DOTALL,
)


def apply_select(frame: DataFrame, select: str, carried: Sequence[str], where: SourceLocation) -> DataFrame:
    """The rows of `select` over the frame, with the `carried` columns beside its own.

    Raises QueryError with Spark's condition if the SQL is wrong, or if it leaves no single source row for a result
    row (as grouping does), so that the carried columns have no meaning.
    """
    session = frame.sparkSession
    name = f"source_{uuid.uuid4().hex}"
    frame.createOrReplaceTempView(name)
    try:
        selected = session.sql(select.replace(_PLACEHOLDER, f"`{name}`"))
        missing = [column for column in carried if column not in selected.columns]
        if missing:
            selected = session.sql(with_columns(select, missing).replace(_PLACEHOLDER, f"`{name}`"))
    except (AnalysisException, ParseException) as error:
        condition = error.getCondition()
        text = describe_failure(error).message.replace(f"`{name}`", _PLACEHOLDER).replace(name, "source")
        hint = None
        if any(f"`{column}`" in text for column in carried) or condition == "MISSING_AGGREGATION":
            names = ", ".join(carried)
            hint = f"'select' works row by row; list {names} in inner queries so that they reach the outer one."
        raise QueryError(
            f"the source's 'select' cannot be computed: {text}" + (f" [{condition}]" if condition else ""),
            condition=condition,
            query=select,
            where=where,
            hint=hint,
        ) from error
    finally:
        session.catalog.dropTempView(name)
    return selected


def with_columns(select: str, columns: Sequence[str]) -> str:
    """The query with these columns at the end of every outermost select list.

    >>> with_columns("SELECT a, (SELECT 1 FROM t) FROM {source} WHERE b > 1", ["_epoch"])
    'SELECT a, (SELECT 1 FROM t) \\n, `_epoch`\\nFROM {source} WHERE b > 1'
    """
    # On lines of its own: the list may end in a comment.
    addition = "\n" + "".join(f", `{column}`" for column in columns) + "\n"
    depth, in_list, cuts = 0, False, []
    for token in _TOKEN.finditer(select):
        word = token[0].upper()
        depth += (word == "(") - (word == ")")
        if depth == 0 and word == "SELECT":
            in_list = True
        elif depth == 0 and word == "FROM" and in_list:
            in_list = False
            cuts.append(token.start())
    for cut in reversed(cuts):
        select = select[:cut] + addition + select[cut:]
    return select
