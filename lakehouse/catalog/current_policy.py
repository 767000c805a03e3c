"""The rules that hold now: access.yml, and over it every statement that was recorded, in order.

Reading either fails for all: there is no policy then, and nothing is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import get_args

from lakehouse.catalog.amendment import Stated, amend, may_change
from lakehouse.catalog.compiled_policy import CompiledPolicy, index
from lakehouse.catalog.expanding import expanded
from lakehouse.catalog.policy import AccessPolicy
from lakehouse.catalog.policy_file import read_rules
from lakehouse.catalog.policy_hash import policy_hash
from lakehouse.catalog.principal import Principal, PrincipalKind
from lakehouse.catalog.statement_parser import parse_statement
from lakehouse.catalog.statement_places import place_in
from lakehouse.catalog.statements import Amendment
from lakehouse.definition.project import ProjectSpec
from lakehouse.errors import AccessRefused, DefinitionError, LakehouseError, UsageError
from lakehouse.storage.access_ledger import AccessLedger, LedgerStatement

_MOST_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class CurrentPolicy:
    """Rules with their functions put in, indexed; a hash that tells whether any changed, the number of statements
    recorded, and what is worth telling about them. `rules` call their functions still."""

    compiled: CompiledPolicy
    hash: str
    sequence: int
    notices: tuple[str, ...]
    rules: AccessPolicy

    @property
    def policy(self) -> AccessPolicy:
        """The rules with their functions put in."""
        return self.compiled.policy


def read_current_policy(root: Path, spec: ProjectSpec, ledger: AccessLedger) -> CurrentPolicy:
    """The rules of a project as they are now.

    Raises DefinitionError for what is wrong in access.yml, and AccessRefused for a recorded statement that cannot be
    read or does not fit it.
    """
    return current_policy(read_rules(root, spec), ledger.statements())


def current_policy(rules: AccessPolicy, recorded: Iterable[LedgerStatement]) -> CurrentPolicy:
    """The rules of a file and the statements recorded since, together. Raises as `read_current_policy`."""
    notices: list[str] = []
    sequence = 0
    for each in recorded:
        sequence = each.sequence
        try:
            rules, more = amend(rules, [_stated(each)])
        except LakehouseError as problem:
            raise _misfit(each, problem) from problem
        notices.extend(more)
    if sequence == 0:
        policy = expanded(rules)
    else:
        try:
            policy = expanded(rules)
        except LakehouseError as problem:
            raise AccessRefused(f"access.yml and the statements recorded do not fit together: {problem}") from problem
    compiled = index(policy)
    return CurrentPolicy(compiled, policy_hash(policy), sequence, (*compiled.warnings, *notices), rules)


def record(
    text: str, principal: Principal, read: Callable[[], CurrentPolicy], ledger: AccessLedger, now: datetime
) -> tuple[CurrentPolicy, tuple[str, ...]]:
    """Carries out a statement that changes rules, and records it; the rules after it, and notices about it.

    `read` gives the rules as they are; should others change them at the same moment, it is asked again, and the
    statement is checked again. Raises AccessRefused if the principal may not, UsageError for text that is no such
    statement, and InvalidValue, UnknownName or DuplicateName for one that does not fit. Then nothing is recorded.
    """
    statement = parse_statement(text)
    if not isinstance(statement, get_args(Amendment)):
        raise UsageError("this statement does not change rules of access.")
    for _ in range(_MOST_ATTEMPTS):
        before = read()
        row = LedgerStatement(before.sequence + 1, f"{principal.kind.value}:{principal.name}", now, text)
        stated = Stated(statement, principal, _origin(row))
        try:
            rules, notices = amend(before.rules, [stated], authorise=may_change)
            policy = expanded(rules)
            compiled = index(policy)
        except DefinitionError as problem:
            problem.where = problem.where or place_in(text, problem, "statement")
            raise
        if ledger.append(row):
            after = CurrentPolicy(compiled, policy_hash(policy), row.sequence, before.notices, rules)
            return after, notices
    raise AccessRefused("others are changing the rules of access at this moment; nothing was changed. Try again.")


def _stated(recorded: LedgerStatement) -> Stated:
    statement = parse_statement(recorded.text)
    kind, _, name = recorded.principal.partition(":")
    if not isinstance(statement, get_args(Amendment)) or kind not in [each.value for each in PrincipalKind]:
        raise UsageError("it is no statement that changes rules of access.")
    return Stated(statement, Principal(PrincipalKind(kind), name), _origin(recorded))


def _origin(recorded: LedgerStatement) -> str:
    return f"statement {recorded.sequence} by {recorded.principal.partition(':')[2]}"


def _misfit(recorded: LedgerStatement, problem: LakehouseError) -> AccessRefused:
    if isinstance(problem, DefinitionError):
        problem.where = problem.where or place_in(recorded.text, problem, f"statement {recorded.sequence}")
    return AccessRefused(
        f"statement {recorded.sequence} of system/access cannot be carried out: {problem}",
        hint="Nothing is allowed until access.yml declares again what the statement names.",
    )
