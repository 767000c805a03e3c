"""The arguments of every command, with help that teaches: a sentence, an example, the exit codes.

Reading arguments imports nothing of the rest; the commands themselves are modules that `main` imports when asked for.
"""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from lakehouse import __version__
from lakehouse.cli.access_arguments import add_access_commands
from lakehouse.cli.gateway_arguments import add_gateway_commands
from lakehouse.errors import UsageError, nearest

EXIT_CODES = """exit codes:
  0    done
  1    a refresh failed, source files were set aside, --verify found a difference, or an access test failed
  2    wrong usage, wrong definition, or something missing on this machine
  3    an expectation refused a refresh and nothing else failed, or a check found one that is not met
  4    another run holds the project
  5    the rules of access refuse it
  70   an error in lakehouse itself
  130  stopped by Ctrl-C; 143 by SIGTERM"""

_OVERVIEW = f"""start here:
  lakehouse init shop && cd shop
  lakehouse run                     # builds its tables
  lakehouse ls                      # what is there now
  lakehouse sql "SELECT * FROM gold.revenue_by_day"

on a cluster:
  spark-submit --master URL "$(lakehouse --entry-point)" run --project DIR

{EXIT_CODES}"""


class ArgumentParser(argparse.ArgumentParser):
    """Raises UsageError instead of leaving the process, and suggests what was meant."""

    def error(self, message: str) -> NoReturn:
        """See argparse."""
        raise UsageError(f"{message}.", hint=f"See '{self.prog} --help'.")

    def add_command(self, commands: Any, name: str, summary: str, example: str) -> ArgumentParser:
        """A command below this parser."""
        made: ArgumentParser = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=f"example:\n  {example}\n\n{EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        made.set_defaults(parser=made)
        return made


def build_parser() -> ArgumentParser:
    """The parser of `lakehouse`; every command is a sub-parser with `command` as its name."""
    parser = ArgumentParser(
        prog="lakehouse",
        description="Declare bronze, silver and gold tables; one command brings them up to date on Delta Lake.",
        epilog=_OVERVIEW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lakehouse {__version__}")
    parser.add_argument("--entry-point", action="store_true", help="print the path of the script for spark-submit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _making(parser, commands)
    _running(parser, commands)
    _checking(parser, commands)
    _looking(parser, commands)
    _quarantine(parser, commands)
    _mending(parser, commands)
    add_access_commands(parser, commands, _add_project)
    add_gateway_commands(parser, commands, _add_project)
    return parser


def parse_arguments(parser: ArgumentParser, argv: list[str]) -> argparse.Namespace:
    """The arguments of one invocation. Raises UsageError, with the nearest command or option for a mistyped one."""
    _require_command(parser, argv)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        chosen = getattr(arguments, "parser", parser)
        near = nearest(unknown[0].partition("=")[0], chosen._option_string_actions)
        hint = f"Did you mean '{near}'?" if near else f"See '{chosen.prog} --help'."
        raise UsageError(f"'{unknown[0]}' is not an argument of '{chosen.prog}'.", hint=hint)
    return arguments


def _require_command(parser: ArgumentParser, argv: list[str]) -> None:
    commands = _choices(parser)
    if not commands or not argv or argv[0].startswith("-"):
        return
    if argv[0] not in commands:
        near = nearest(argv[0], commands)
        hint = f"Did you mean '{near}'?" if near else f"See '{parser.prog} --help'."
        raise UsageError(f"there is no command '{parser.prog} {argv[0]}'.", hint=hint)
    _require_command(commands[argv[0]], argv[1:])


def _choices(parser: ArgumentParser) -> dict[str, ArgumentParser]:
    found = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: command for choices in found for name, command in (choices or {}).items()}


def _making(parser: ArgumentParser, commands: Any) -> None:
    init = parser.add_command(
        commands, "init", "make a new project that runs as it is and has a test", "lakehouse init shop"
    )
    init.add_argument("name", metavar="NAME", help="name of the project: letters, digits, _ and -")
    init.add_argument("--folder", metavar="DIR", help="where to make it (default: a folder NAME here)")
    _add_json(init)
    validate = parser.add_command(
        commands,
        "validate",
        "read every file, resolve names, check graph and expectations; starts no Spark",
        "lakehouse validate --target prod",
    )
    _add_project(validate, positional=True)


def _running(parser: ArgumentParser, commands: Any) -> None:
    dry_run = parser.add_command(
        commands,
        "dry-run",
        "analyse every query and print the plan: how each dataset would be refreshed, and why",
        'lakehouse dry-run --select "+gold.revenue_by_day"',
    )
    run = parser.add_command(
        commands,
        "run",
        "refresh what is out of date and publish all tables together",
        "lakehouse run --full-refresh silver.orders",
    )
    for command in (dry_run, run):
        _add_project(command, positional=True)
        _add_selection(command)
    run.add_argument(
        "--verify",
        metavar="all|N",
        type=all_or_positive,
        nargs="?",
        const="10000",
        help="compute every refreshed view once more in full and compare all rows, or about N (default: 10000)",
    )


def _add_selection(command: ArgumentParser) -> None:
    group = command.add_argument_group("selection", "Without any of these, every dataset is brought up to date.")
    group.add_argument(
        "--refresh", metavar="A,B", action="append", default=[], help="only these datasets, where out of date"
    )
    group.add_argument(
        "--full-refresh", metavar="A,B", action="append", default=[], help="rebuild these datasets from scratch"
    )
    group.add_argument("--full-refresh-all", action="store_true", help="rebuild every selected dataset from scratch")
    group.add_argument(
        "--select",
        metavar="EXPR",
        action="append",
        default=[],
        help='dbt\'s selection: name, schema.*, tag:T, path:P; +x with what it reads, x+ with what reads it: "+gold.x"',
    )
    group.add_argument(
        "--exclude", metavar="EXPR", action="append", default=[], help="leave these out of the selection"
    )


def _checking(parser: ArgumentParser, commands: Any) -> None:
    check = parser.add_command(
        commands,
        "check",
        "judge the published tables by their expectations; what was judged before is not judged again",
        "lakehouse check silver.orders --full",
    )
    check.add_argument("tables", metavar="TABLE", nargs="*", help="names of datasets (default: all with expectations)")
    check.add_argument("--full", action="store_true", help="judge everything, also what was judged on this version")
    check.add_argument("--profile", action="store_true", help="profile every version that has no profile yet")
    check.add_argument(
        "--engine",
        choices=("lakehouse", "great_expectations"),
        default="lakehouse",
        help="who judges: one pass of our own (default), or Great Expectations wherever it has the type",
    )
    check.add_argument(
        "--results", metavar="DIR", help="also write the verdicts as result files of Great Expectations, one a table"
    )
    check.add_argument(
        "--export-suite",
        metavar="PATH|-",
        help="judge nothing; write the expectations as suites of Great Expectations into a file (one TABLE), a folder, "
        "or, with -, to standard output",
    )
    _add_project(check)


def _looking(parser: ArgumentParser, commands: Any) -> None:
    ls = parser.add_command(
        commands, "ls", "list every dataset with state, rows, version and last refresh; starts no Spark", "lakehouse ls"
    )
    _add_project(ls, positional=True)
    show = parser.add_command(
        commands,
        "show",
        "show one dataset: columns, counts, properties, expectations, inputs, readers, refreshes; starts no Spark",
        "lakehouse show gold.revenue_by_day",
    )
    show.add_argument("table", metavar="TABLE", help="name of a dataset")
    _add_project(show)
    explain = parser.add_command(
        commands,
        "explain",
        "explain one dataset: how it came about, how it can be kept up to date, what a run would do with it now",
        "lakehouse explain gold.revenue_by_day",
    )
    explain.add_argument("table", metavar="TABLE", help="name of a streaming table or a materialized view")
    _add_project(explain)
    history = parser.add_command(
        commands,
        "history",
        "list past runs, or the past refreshes of one dataset, newest first; starts no Spark",
        "lakehouse history silver.orders --limit 50",
    )
    history.add_argument("table", metavar="TABLE", nargs="?", help="name of a dataset (default: runs)")
    history.add_argument("--limit", metavar="N", type=positive, default=20, help="how many at most (default: 20)")
    _add_project(history)
    lineage = parser.add_command(
        commands,
        "lineage",
        "show what a dataset or a column comes from and what it goes to; starts no Spark",
        "lakehouse lineage gold.revenue_by_day.revenue",
    )
    lineage.add_argument("name", metavar="TABLE[.COLUMN]", help="name of a dataset, or of a column of it")
    _add_project(lineage)
    report = parser.add_command(
        commands,
        "report",
        "write one HTML file about the project: graph, runs, expectations, drift, profiles; starts no Spark",
        "lakehouse report --output public/index.html",
    )
    report.add_argument(
        "--output", metavar="FILE", default="report.html", help="the file to write (default: report.html)"
    )
    _add_project(report, positional=True)
    sql = parser.add_command(
        commands,
        "sql",
        "query the published tables of one publication, or state who may see what: GRANT, DENY, SHOW GRANTS and more",
        'lakehouse sql "SELECT * FROM gold.revenue_by_day" --as ana@corp',
    )
    sql.add_argument("query", metavar="QUERY", help="one SQL query, or one statement about access")
    sql.add_argument(
        "--as", metavar="PRINCIPAL", dest="principal", help="read as this user or service principal (mode guarded)"
    )
    sql.add_argument("--at", metavar="RUN|TIMESTAMP", help="read an older publication (timestamps in UTC)")
    sql.add_argument("--limit", metavar="N", type=positive, default=100, help="rows to show (default: 100)")
    _add_project(sql)


def _quarantine(parser: ArgumentParser, commands: Any) -> None:
    quarantine = parser.add_command(
        commands,
        "quarantine",
        "list, show and replay the rows that expectations set aside",
        "lakehouse quarantine show silver.orders",
    )
    actions = quarantine.add_subparsers(
        dest="action", metavar="ACTION", title="actions", required=True, help="what to do with the rows"
    )
    ls = parser.add_command(
        actions,
        "ls",
        "list the datasets that have rows in quarantine, with the expectations that set them aside; starts no Spark",
        "lakehouse quarantine ls",
    )
    _add_project(ls, positional=True)
    show = parser.add_command(
        actions,
        "show",
        "show the rows in quarantine, newest first: why, since which run, from which file; starts no Spark",
        "lakehouse quarantine show silver.orders --limit 100",
    )
    show.add_argument("table", metavar="TABLE", help="name of a streaming table or a materialized view")
    show.add_argument("--limit", metavar="N", type=positive, default=20, help="rows to show (default: 20)")
    _add_project(show)
    replay = parser.add_command(
        actions,
        "replay",
        "judge the rows in quarantine by today's expectations: those that pass are added to their table",
        "lakehouse quarantine replay bronze.orders",
    )
    replay.add_argument("tables", metavar="TABLE", nargs="+", help="names of streaming tables or materialized views")
    _add_project(replay)


def _mending(parser: ArgumentParser, commands: Any) -> None:
    reset = parser.add_command(
        commands,
        "reset",
        "make the next run rebuild tables from scratch; readers keep what they see until then",
        "lakehouse reset silver.orders --yes",
    )
    reset.add_argument("tables", metavar="TABLE", nargs="+", help="names of streaming tables or materialized views")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    _add_project(reset)
    doctor = parser.add_command(
        commands,
        "doctor",
        "check what is needed on this machine: Python, Java, jars, memory, disk, write access",
        "lakehouse doctor --install",
    )
    doctor.add_argument(
        "--install", action="store_true", help="install Java where that needs no question, and fetch the jars"
    )
    _add_project(doctor, positional=True)


def _add_project(command: ArgumentParser, *, positional: bool = False) -> None:
    if positional:
        command.add_argument("pipeline", metavar="PIPELINE", nargs="?", help="the project's folder, as --project")
    group = command.add_argument_group("project")
    group.add_argument(
        "--project", metavar="DIR", help="the project's folder (default: the nearest one upward with a spec)"
    )
    group.add_argument("--target", metavar="NAME", help="use the settings of conf/NAME.yml")
    group.add_argument(
        "--var", metavar="K=V", action="append", default=[], help="value of ${K} in the project's files (repeatable)"
    )
    _add_json(command)


def _add_json(command: ArgumentParser) -> None:
    command.add_argument_group("output").add_argument(
        "--json", action="store_true", help="print one JSON event a line, and nothing else"
    )


def all_or_positive(text: str) -> str:
    """`all`, or a number from 1, as an argument."""
    if text == "all":
        return text
    try:
        return str(positive(text))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"'{text}' is neither 'all' nor a number from 1") from None


def positive(text: str) -> int:
    """A number from 1, as an argument."""
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1")
    return number
