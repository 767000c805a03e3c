"""The clauses of CREATE … that stand between a dataset's name and its query, in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lakehouse.definition.columns import distinct, parse_column, split_at_commas
from lakehouse.definition.dataset import Column, Layout, RefreshPolicy
from lakehouse.definition.expectation import Expectation, OnViolation
from lakehouse.definition.refresh_policy import POLICIES
from lakehouse.definition.sql_cursor import Cursor
from lakehouse.definition.sql_text import Token, string_value, unquoted
from lakehouse.errors import DuplicateName, InvalidValue, SourceLocation, nearest


@dataclass(slots=True, kw_only=True)
class Clauses:
    """What the clauses read so far say."""

    comment: str | None = None
    columns: list[Column] = field(default_factory=list)
    expectations: dict[str, Expectation] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    refresh_policy: RefreshPolicy | None = None
    policy_where: SourceLocation | None = None

    def layout(self) -> Layout:
        """The layout they describe."""
        return Layout(
            columns=tuple(self.columns),
            properties=tuple(sorted(self.properties.items())),
            partition_by=self.partition_by,
            cluster_by=self.cluster_by,
            primary_key=self.primary_key,
        )


def read_clauses(cursor: Cursor) -> Clauses:
    """Reads up to AS or the end of the statement. Raises InvalidValue at what is no clause."""
    clauses = Clauses()
    opening = cursor.peek()
    if opening is not None and opening.text == "(":
        _read_columns(cursor, clauses)
    seen: set[str] = set()
    while not (cursor.at_end or cursor.accept("AS")):
        token = cursor.take()
        word = token.text.upper()
        if word not in _CLAUSES:
            near = nearest(word.lower(), [clause.lower() for clause in _CLAUSES])
            raise InvalidValue(
                f"'{token.text}' begins no clause of this statement.",
                where=cursor.where(token),
                hint=f"Did you mean {near.upper()}?" if near else f"Expected AS, {', '.join(_CLAUSES)}.",
            )
        if word in seen:
            raise InvalidValue(f"the clause {word} appears twice.", where=cursor.where(token))
        seen.add(word)
        _CLAUSES[word](cursor, clauses)
    if clauses.partition_by and clauses.cluster_by:
        raise InvalidValue("a table is partitioned or clustered, not both.", where=cursor.where(cursor.tokens[0]))
    return clauses


def _comment(cursor: Cursor, clauses: Clauses) -> None:
    clauses.comment = cursor.string()


def _using(cursor: Cursor, clauses: Clauses) -> None:
    token = cursor.take()
    if not token.is_word("DELTA"):
        raise InvalidValue(f"tables are Delta tables, not '{token.text}'.", where=cursor.where(token))


def _properties(cursor: Cursor, clauses: Clauses) -> None:
    where = cursor.where()
    for item in split_at_commas(cursor.parenthesised()):
        # The key is a string or a dotted name; `=` may be left out.
        value = item[-1] if item else None
        key = [token for token in item[:-1] if token.text != "="]
        if value is None or not key:
            raise InvalidValue("expected TBLPROPERTIES ('key' = 'value', …).", where=where)
        clauses.properties["".join(_meaning(token) for token in key)] = _meaning(value)


def _partitioned(cursor: Cursor, clauses: Clauses) -> None:
    cursor.expect("BY")
    clauses.partition_by = _names(cursor, "PARTITIONED BY")


def _cluster(cursor: Cursor, clauses: Clauses) -> None:
    cursor.expect("BY")
    if cursor.accept("AUTO"):
        raise InvalidValue("CLUSTER BY AUTO is not supported; name the columns.", where=cursor.where())
    clauses.cluster_by = () if cursor.accept("NONE") else _names(cursor, "CLUSTER BY")


def _refresh(cursor: Cursor, clauses: Clauses) -> None:
    clauses.policy_where = cursor.where(cursor.tokens[cursor.position - 1])
    cursor.expect("POLICY")
    token = cursor.take()
    word = token.text.lower()
    if word == "incremental" and cursor.accept("STRICT"):
        word = "incremental_strict"
    if word not in POLICIES:
        near = nearest(word, POLICIES)
        raise InvalidValue(
            f"'{token.text}' is no refresh policy; expected one of {', '.join(map(_as_sql, POLICIES))}.",
            where=cursor.where(token),
            hint=f"Did you mean {_as_sql(near)}?" if near else None,
        )
    clauses.refresh_policy = RefreshPolicy(word)


def _as_sql(policy: str) -> str:
    return policy.replace("_", " ").upper()


def _location(cursor: Cursor, clauses: Clauses) -> None:
    raise InvalidValue(
        "a table of the project lives in its warehouse, so LOCATION is not supported.",
        where=cursor.where(),
        hint="A table that others write is declared in YAML: external_table with its location.",
    )


_CLAUSES: dict[str, Callable[[Cursor, Clauses], None]] = {
    "COMMENT": _comment,
    "TBLPROPERTIES": _properties,
    "PARTITIONED": _partitioned,
    "CLUSTER": _cluster,
    "USING": _using,
    "LOCATION": _location,
    "REFRESH": _refresh,
}


def _names(cursor: Cursor, clause: str) -> tuple[str, ...]:
    where = cursor.where()
    items = list(split_at_commas(cursor.parenthesised()))
    if any(len(item) != 1 or item[0].kind not in ("word", "quoted") for item in items):
        raise InvalidValue(f"{clause} takes column names only.", where=where)
    return tuple(unquoted(item[0]) for item in items)


def _read_columns(cursor: Cursor, clauses: Clauses) -> None:
    where = cursor.where()
    for item in split_at_commas(cursor.parenthesised()):
        if not item:
            continue  # as in `()` or a comma too many, which Databricks' examples have
        inner = Cursor(item, cursor.text, cursor.file)
        if item[0].is_word("CONSTRAINT") and len(item) > 2:
            _constraint(inner, clauses)
        elif item[0].is_word("PRIMARY"):
            _primary_key(inner, clauses)
        else:
            clauses.columns.append(parse_column(item, cursor.text, inner.where()))
    distinct(clauses.columns, where)


def _constraint(cursor: Cursor, clauses: Clauses) -> None:
    where = cursor.where()
    cursor.expect("CONSTRAINT")
    name = unquoted(cursor.take())
    if cursor.accept("PRIMARY"):
        cursor.position -= 1
        return _primary_key(cursor, clauses)
    cursor.expect("EXPECT")
    condition = _text(cursor, cursor.parenthesised())
    on_violation = OnViolation.WARN
    if cursor.accept("ON", "VIOLATION"):
        on_violation = _on_violation(cursor)
    if not cursor.at_end:
        raise cursor.unexpected("ON VIOLATION, ',' or ')'")
    if name in clauses.expectations:
        raise DuplicateName(name, first=clauses.expectations[name].location, where=where)
    clauses.expectations[name] = Expectation(name=name, condition=condition, on_violation=on_violation, location=where)


def _on_violation(cursor: Cursor) -> OnViolation:
    if cursor.accept("DROP", "ROW"):
        return OnViolation.DROP
    if cursor.accept("FAIL", "UPDATE"):
        return OnViolation.FAIL
    if cursor.accept("QUARANTINE"):
        cursor.accept("ROW")
        return OnViolation.QUARANTINE
    if cursor.accept("WARN"):
        return OnViolation.WARN
    raise cursor.unexpected("DROP ROW, FAIL UPDATE, QUARANTINE or WARN")


def _primary_key(cursor: Cursor, clauses: Clauses) -> None:
    cursor.expect("PRIMARY", "KEY")
    clauses.primary_key = _names(cursor, "PRIMARY KEY")
    cursor.accept("NOT", "ENFORCED")
    cursor.accept("RELY")
    if not cursor.at_end:
        raise cursor.unexpected("',' or ')'")


def _text(cursor: Cursor, tokens: Sequence[Token]) -> str:
    if not tokens:
        raise cursor.unexpected("a condition")
    return cursor.text[tokens[0].start : tokens[-1].end]


def _meaning(token: Token) -> str:
    return string_value(token) if token.kind == "string" else unquoted(token)
