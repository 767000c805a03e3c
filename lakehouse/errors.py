"""Every error a user can meet, as one tree.

    LakehouseError                    what, where, what to do; carries the exit code
      UsageError                2     arguments that do not fit
      InstallationError         2     Java, jars, disk or access rights are not there
      DefinitionError           2     what is declared cannot be meant
        UnknownKey, UnknownName, UndefinedVariable, DuplicateName, CyclicGraph, InvalidValue
        DefinitionErrors              several of them, reported together
      OwnershipError            2     the table belongs to another project, or is not ours to write
      RefreshError              1     a dataset could not be brought up to date
        QueryError                    Spark refused or failed the query
        SourceFileError               a source file cannot be loaded, or changed after it was loaded
        SchemaError                   the rows do not fit the table
        ChangeFeedError               the rows that changed in a table cannot be told
        ExpectationFailed     3       an expectation with `on_violation: fail` refused the refresh
        ChangeError                   a change set contradicts itself, or cannot be compared with its table
      RunInProgress             4     another run holds the project
      AccessRefused             5     the principal may not do this, or may not know of it
        QueryRefused                  a query is not one that the gate lets through
      GateError                 1     Spark refused or failed a query of someone who may not read its error text
      RunInterrupted            130   the run was told to stop
      AccessRefused             5     the principal may not do this, or may not know that it exists

Fields carry the facts; tests assert on class and fields, never on prose.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, order=True)
class SourceLocation:
    """A place in a user's file: path as the user would type it (relative to the project), line from 1; in a statement
    also the column, from 1."""

    file: str
    line: int
    column: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")


class LakehouseError(Exception):
    """Base of all errors of this package. `str()` is what the user reads: where, what, and what to do."""

    exit_code = 1

    def __init__(self, message: str, *, where: SourceLocation | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" {self.hint}" if self.hint else ""
        return f"{place}{self.message}{advice}"


class UsageError(LakehouseError):
    """The command line or a call was given arguments that do not fit together."""

    exit_code = 2


class InstallationError(LakehouseError):
    """Something the product needs on this machine is missing: Java, jars, disk space, access rights."""

    exit_code = 2


class DefinitionError(LakehouseError):
    """What a project declares cannot be meant."""

    exit_code = 2


class UnknownKey(DefinitionError):
    """A key that no one declared; carries the key and the nearest valid one."""

    def __init__(self, key: str, valid: Iterable[str], *, inside: str, where: SourceLocation | None = None) -> None:
        names = sorted(valid)
        self.key, self.nearest = key, nearest(key, names)
        super().__init__(
            f"unknown key '{key}' in {inside}.", where=where, hint=suggestion(self.nearest, names, what="keys")
        )


class UnknownName(DefinitionError):
    """A dataset or column that does not exist; carries the name and the nearest existing one."""

    def __init__(
        self,
        name: str,
        existing: Iterable[str],
        *,
        what: str = "table",
        used_by: str | None = None,
        where: SourceLocation | None = None,
    ) -> None:
        names = sorted(existing)
        self.name, self.nearest = name, nearest(name, names)
        reader = f", read by {used_by}," if used_by else ""
        super().__init__(
            f"{what} '{name}'{reader} does not exist.", where=where, hint=suggestion(self.nearest, names, what="names")
        )


class UndefinedVariable(DefinitionError):
    """`${name}` without a value in configuration, target or --var."""

    def __init__(self, name: str, defined: Iterable[str], *, where: SourceLocation | None = None) -> None:
        names = sorted(defined)
        self.name, self.nearest = name, nearest(name, names)
        super().__init__(
            f"variable '${{{name}}}' is not defined.",
            where=where,
            hint=suggestion(self.nearest, names, what="variables")
            or f"Define it under 'configuration:' or pass --var {name}=VALUE.",
        )


class DuplicateName(DefinitionError):
    """Two declarations claim one name."""

    def __init__(self, name: str, *, first: SourceLocation | None, where: SourceLocation | None) -> None:
        self.name, self.first = name, first
        there = f"'{name}' is declared twice; first at {first}." if first else f"'{name}' is there already."
        super().__init__(there, where=where, hint="Rename or remove one.")


class CyclicGraph(DefinitionError):
    """Datasets that read each other; `path` starts and ends with the same name."""

    def __init__(self, path: tuple[str, ...], *, where: SourceLocation | None = None) -> None:
        self.path = path
        super().__init__(f"datasets read each other in a circle: {' -> '.join(path)}.", where=where)


class InvalidValue(DefinitionError):
    """A declared value that is malformed or does not fit its key."""


class DefinitionErrors(DefinitionError):
    """Several definition errors, found in one pass and reported together."""

    def __init__(self, problems: Iterable[DefinitionError]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class OwnershipError(LakehouseError):
    """A table of another project, or one that something else wrote to, stands where ours should be."""

    exit_code = 2


class RefreshError(LakehouseError):
    """A dataset could not be brought up to date; its last good version stays."""


class QueryError(RefreshError):
    """Spark refused or failed a query; carries Spark's own error class and the query's text."""

    def __init__(
        self,
        message: str,
        *,
        condition: str | None,
        query: str | None = None,
        where: SourceLocation | None = None,
        hint: str | None = None,
    ) -> None:
        self.condition, self.query = condition, query
        super().__init__(message, where=where, hint=hint)


class SourceFileError(RefreshError):
    """A source file cannot be loaded, or is no longer the file that was loaded; carries its path."""

    def __init__(
        self, message: str, *, path: str, where: SourceLocation | None = None, hint: str | None = None
    ) -> None:
        self.path = path
        super().__init__(message, where=where, hint=hint)


class SchemaError(RefreshError):
    """Rows and table do not fit; carries the columns in question."""

    def __init__(
        self,
        message: str,
        *,
        columns: tuple[str, ...],
        where: SourceLocation | None = None,
        hint: str | None = None,
    ) -> None:
        self.columns = columns
        super().__init__(message, where=where, hint=hint)


class ExpectationFailed(RefreshError):
    """A refresh was refused by expectations that say `fail`; carries their names."""

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        expectations: tuple[str, ...],
        where: SourceLocation | None = None,
        hint: str | None = None,
    ) -> None:
        self.expectations = expectations
        super().__init__(message, where=where, hint=hint)


class ChangeFeedError(RefreshError):
    """The rows that changed between two versions of a table cannot be told exactly; carries the table's location."""

    def __init__(
        self, message: str, *, location: str, where: SourceLocation | None = None, hint: str | None = None
    ) -> None:
        self.location = location
        super().__init__(message, where=where, hint=hint)


class ChangeError(RefreshError):
    """A change set cannot be applied as it is; carries the rule it breaks and the columns in question."""

    def __init__(self, message: str, *, rule: str, columns: tuple[str, ...] = (), hint: str | None = None) -> None:
        self.rule, self.columns = rule, columns
        super().__init__(message, hint=hint)


class RunInProgress(LakehouseError):
    """Another run holds the project; carries who."""

    exit_code = 4

    def __init__(self, message: str, *, holder: str) -> None:
        self.holder = holder
        super().__init__(message)


class AccessRefused(LakehouseError):
    """The principal may not do this. The message and the fields hold nothing that the principal may not know: an object
    that it may not know of is refused like one that does not exist."""

    exit_code = 5


class GateReason(str, Enum):
    """Why the gate refused a query."""

    RELATION = "relation"
    PLAN_CLASS = "plan class"
    FUNCTION = "function"
    TABLE_FUNCTION = "table function"
    RELATION_OPTIONS = "relation options"
    EXPRESSION_CLASS = "expression class"
    METADATA_COLUMN = "metadata column"
    PARSE = "parse"
    SIZE = "size"
    VALUE = "value"
    DEPTH = "depth"


_GATE_SENTENCES = {
    GateReason.PLAN_CLASS: "only queries are accepted here: no commands, no dynamic SQL, no time travel.",
    GateReason.FUNCTION: "a function of the query does not exist or is not accepted here.",
    GateReason.TABLE_FUNCTION: "a table function of the query does not exist or is not accepted here.",
    GateReason.RELATION_OPTIONS: "tables take no options here and are not read as streams.",
    GateReason.EXPRESSION_CLASS: "an expression of the query is not accepted here.",
    GateReason.METADATA_COLUMN: "metadata columns of files are not accepted here.",
    GateReason.PARSE: "the query is not one statement of Spark SQL.",
    GateReason.SIZE: "the query is too large.",
    GateReason.VALUE: "what '{maker}' makes in the query may grow too large, or its size is not known beforehand; give "
    "sizes as numbers, or bound them, as in least(n, 1000).",
    GateReason.DEPTH: "the query nests too deep.",
}


class QueryRefused(AccessRefused):
    """A query that the gate does not let through; carries why, and the relation as the query names it, if it is one
    that is missing. `condition` and `sql_state` are Spark's for the same mistake, None where Spark has none."""

    def __init__(self, reason: GateReason, *, relation: tuple[str, ...] = (), maker: str = "value") -> None:
        self.reason, self.relation = reason, relation
        missing = reason is GateReason.RELATION
        self.condition = "TABLE_OR_VIEW_NOT_FOUND" if missing else None
        self.sql_state = "42P01" if missing else None
        name = f" '{'.'.join(relation)}'" if relation else " of the query"
        sentence = _GATE_SENTENCES.get(reason, "").replace("{maker}", maker)
        super().__init__(f"table or view{name} cannot be found." if missing else sentence)


class GateError(LakehouseError):
    """Spark refused or failed a query whose author may not read Spark's text: its condition and SQLSTATE alone."""

    def __init__(self, condition: str | None, sql_state: str | None) -> None:
        self.condition, self.sql_state = condition, sql_state
        state = f" (SQLSTATE {sql_state})" if sql_state else ""
        super().__init__(f"the query failed: {condition or 'INTERNAL_ERROR'}{state}.")


class RunInterrupted(LakehouseError):
    """The run was told to stop (Ctrl-C, SIGTERM); carries the signal number."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
        super().__init__(message)


def nearest(name: str, existing: Iterable[str]) -> str | None:
    """The existing name most like `name`, or None if none is near.

    >>> nearest("silver.flihgts", ["silver.flights", "gold.fleet"])
    'silver.flights'
    """
    found = difflib.get_close_matches(name.lower(), list(existing), n=1, cutoff=0.6)
    return found[0] if found else None


def suggestion(near: str | None, existing: list[str], *, what: str) -> str | None:
    """The sentence that helps: the near name, or the few there are."""
    if near:
        return f"Did you mean '{near}'?"
    if existing and len(existing) <= 12:
        return f"Valid {what}: {', '.join(existing)}."
    return None
