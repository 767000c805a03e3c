"""The arguments of `access`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def add_access_commands(parser: Any, commands: Any, add_project: Callable[..., None]) -> None:
    """Adds the commands below `commands`; `add_project` adds the arguments that name a project."""
    access = parser.add_command(
        commands,
        "access",
        "explain, test and compare rules of access",
        "lakehouse access explain ana@corp gold.revenue_by_day",
    )
    actions = access.add_subparsers(
        dest="action", metavar="ACTION", title="actions", required=True, help="what to do with the rules"
    )
    explain = parser.add_command(
        actions,
        "explain",
        "tell why someone may do something, or not: every grant, denial, gate, filter and mask; starts no Spark",
        "lakehouse access explain ana@corp gold.revenue_by_day --privilege MODIFY",
    )
    explain.add_argument("principal", metavar="PRINCIPAL", help="name of a user, service principal, group or role")
    explain.add_argument("securable", metavar="NAME", help="metastore, a catalog, schema, table or pipeline")
    explain.add_argument(
        "--privilege", metavar="PRIVILEGE", default="SELECT", help="what the principal wants (default: SELECT)"
    )
    add_project(explain)
    test = parser.add_command(
        actions,
        "test",
        "run the 'access_tests' of the rules; Spark starts only for those with a query",
        "lakehouse access test --no-queries",
    )
    test.add_argument("--no-queries", action="store_true", help="leave out tests that run a query")
    add_project(test, positional=True)
    diff = parser.add_command(
        actions,
        "diff",
        "compare two files of rules: who gains what, who loses it, and by which route; starts no Spark",
        "lakehouse access diff access.yml access.new.yml",
    )
    diff.add_argument("old", metavar="OLD", help="a file of access rules")
    diff.add_argument("new", metavar="NEW", help="another one")
    diff.add_argument("--principal", metavar="NAME", help="only what changes for this user or service principal")
    add_project(diff)
