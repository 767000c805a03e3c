"""`lakehouse access explain | test | diff`: why a decision falls, whether the tests of the rules hold, what changes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lakehouse.cli.project_arguments import project_folder, variables
from lakehouse.cli.screen import Column, Screen
from lakehouse.definition.project import ProjectSpec
from lakehouse.definition.spec_file import read_spec
from lakehouse.errors import UnknownName, UsageError
from lakehouse.serving.figures import counted

_TEST_FAILED = 1
_TESTS = (
    Column(key="result", title="result"),
    Column(key="principal", title="as"),
    Column(key="test", title="test", folds=True),
    Column(key="origin", title="where"),
    Column(key="problem", title="problem", folds=True),
)
_CHANGES = (
    Column(key="principal", title="principal"),
    Column(key="direction", title="change"),
    Column(key="what", title="what", folds=True),
    Column(key="securable", title="on", folds=True),
    Column(key="by", title="by", folds=True),
)


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0; 1 if a test of the rules fails. Raises DefinitionError and its kin, UsageError, AccessRefused."""
    spec = read_spec(project_folder(arguments), target=arguments.target, variables=variables(arguments.var))
    if arguments.action == "diff":
        return _diff(spec, arguments, screen)
    if spec.access is None:
        raise UsageError(
            f"the project '{spec.name}' has no rules of access.",
            hint="Write them into access.yml and name it in the spec: 'access: access.yml'.",
        )
    return _explain(spec, arguments, screen) if arguments.action == "explain" else _test(spec, arguments, screen)


def _explain(spec: ProjectSpec, arguments: argparse.Namespace, screen: Screen) -> int:
    from lakehouse.cli.access_text import show_explanation
    from lakehouse.serving.access_explanation import AccessDesk  # imports deltalake

    desk = AccessDesk(spec)
    privilege = read_privilege(arguments.privilege)
    found = desk.explain(desk.principal(arguments.principal), privilege, desk.securable(arguments.securable))
    show_explanation(found, screen)
    return 0


def read_privilege(text: str) -> Any:
    """The privilege of this name. Raises UnknownName."""
    from lakehouse.catalog.privilege import Privilege

    name = " ".join(text.upper().replace("_", " ").split())
    known = [privilege.value for privilege in Privilege]
    if name not in known:
        raise UnknownName(text, known, what="privilege")
    return Privilege(name)


def _test(spec: ProjectSpec, arguments: argparse.Namespace, screen: Screen) -> int:
    from lakehouse.serving.access_testing import run_access_tests

    outcomes = run_access_tests(
        spec, target=arguments.target, given=variables(arguments.var), queries=not arguments.no_queries
    )
    rows = []
    for outcome in outcomes:
        test = outcome.test
        if test.query is None:
            assert test.privilege is not None
            text = f"{'can' if test.allowed else 'cannot'} {test.privilege.value} on {test.securable}"
        else:
            text = test.query
        rows.append(
            {
                "result": "passed" if outcome.passed else "failed",
                "principal": str(test.principal),
                "test": text,
                "origin": test.origin,
                "problem": outcome.problem,
            }
        )
        screen.event("access_test", **rows[-1])
    screen.table(_TESTS, rows)
    failed = sum(not outcome.passed for outcome in outcomes)
    screen.say(
        f"{counted(len(rows), 'access test')}, {failed} failed." if rows else "the rules have no 'access_tests'."
    )
    return _TEST_FAILED if failed else 0


def _diff(spec: ProjectSpec, arguments: argparse.Namespace, screen: Screen) -> int:
    from lakehouse.catalog.policy_diff import difference

    old, new = (_policy(spec, path) for path in (arguments.old, arguments.new))
    principals = None
    if arguments.principal is not None:
        principals = {each for each in (side.directory.find(arguments.principal) for side in (old, new)) if each}
        if not principals:
            raise UnknownName(arguments.principal, old.directory.users | new.directory.users, what="principal")
    rows = [_change(each) for each in difference(old, new, principals)]
    for row in rows:
        screen.event("access_change", **row)
    screen.table(_CHANGES, rows)
    gains = sum(row["direction"] == "gains" for row in rows)
    screen.say(
        f"{counted(gains, 'gain')}, {counted(len(rows) - gains, 'loss', 'losses')}." if rows else "no difference."
    )
    return 0


def _policy(spec: ProjectSpec, path: str) -> Any:
    from lakehouse.catalog.policy_file import read_policy

    file = Path(path).expanduser()
    if not file.is_file():
        raise UsageError(f"there is no file '{path}'.", hint="Give a file of access rules.")
    return read_policy(file.parent, replace(spec, access=file.name))


def _change(change: Any) -> dict[str, Any]:
    what = " ".join(_what(change))
    step = change.gives or change.refuses
    return {
        "principal": str(change.principal),
        "direction": change.direction.value,
        "what": what,
        "securable": str(change.securable),
        "by": " ".join(filter(None, (" > ".join(map(str, step.route)), f"({step.origin})" if step.origin else "")))
        if step
        else "",
    }


def _what(change: Any) -> Iterator[str]:
    yield change.privilege.value
    if change.columns:
        yield f"({', '.join(change.columns)})"
    if change.subject.value in ("mask", "row filter"):
        old, new = (text or "none" for text in change.detail)
        yield f"{change.subject.value}: {old} -> {new}"
