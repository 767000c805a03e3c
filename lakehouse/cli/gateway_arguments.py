"""The arguments of `serve`, `token` and `audit`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def add_gateway_commands(parser: Any, commands: Any, add_project: Callable[..., None]) -> None:
    """Adds the commands below `commands`; `add_project` adds the arguments that name a project."""
    _serve(parser.add_command(
        commands,
        "serve",
        "answer SQL over Arrow Flight, for everyone as the rules of access allow, until it is stopped",
        "lakehouse serve --host 0.0.0.0 --port 31337 --tls-cert cert.pem --tls-key key.pem",
    ), add_project)  # fmt: skip
    _token(parser, commands, add_project)
    audit = parser.add_command(
        commands,
        "audit",
        "list what was asked for through the gateway and what came of it, newest first; starts no Spark",
        "lakehouse audit --principal ana@corp --since 2026-01-31 --denied",
    )
    audit.add_argument("--principal", metavar="NAME", help="only what this principal asked for")
    audit.add_argument("--since", metavar="TIMESTAMP", help="only what happened from then on (UTC)")
    audit.add_argument("--denied", action="store_true", help="only what was refused")
    audit.add_argument("--limit", metavar="N", type=_count, default=50, help="how many at most (default: 50)")
    audit.add_argument(
        "--verify", action="store_true", help="check that no row was changed, removed, put in or cut off the end"
    )
    add_project(audit)


def _serve(serve: Any, add_project: Callable[..., None]) -> None:
    group = serve.add_argument_group("address")
    group.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    group.add_argument("--port", metavar="N", type=_port, default=0, help="port (default: any that is free)")
    group.add_argument("--tls-cert", metavar="FILE", help="certificate chain (PEM); needed where others can connect")
    group.add_argument("--tls-key", metavar="FILE", help="its private key (PEM)")
    limits = serve.add_argument_group("limits", "What a query may use; one that needs more is stopped.")
    limits.add_argument("--max-seconds", metavar="N", type=_count, default=600, help="of a query (default: 600)")
    limits.add_argument("--max-rows", metavar="N", type=_count, default=100_000_000, help="of a result")
    limits.add_argument("--max-bytes", metavar="SIZE", type=_size, default=16 << 30, help="of a result (default: 16g)")
    limits.add_argument("--max-queries", metavar="N", type=_count, default=32, help="at once (default: 32)")
    limits.add_argument(
        "--max-queries-each", metavar="N", type=_count, default=16, help="at once, of a principal (default: 16)"
    )
    add_project(serve, positional=True)


def _token(parser: Any, commands: Any, add_project: Callable[..., None]) -> None:
    token = parser.add_command(
        commands, "token", "make, revoke and list the tokens that open the gateway", "lakehouse token create ana@corp"
    )
    actions = token.add_subparsers(
        dest="action", metavar="ACTION", title="actions", required=True, help="what to do with tokens"
    )
    create = parser.add_command(
        actions,
        "create",
        "make a token for a user or service principal; it is shown once and kept as a hash",
        "lakehouse token create ana@corp --expires 90d",
    )
    create.add_argument("principal", metavar="PRINCIPAL", help="name of a user or service principal")
    create.add_argument(
        "--expires", metavar="TIME", type=lifetime, default=lifetime("30d"), help="30d, 12h, 15m (default: 30d)"
    )
    add_project(create)
    revoke = parser.add_command(
        actions, "revoke", "end a token, from the next query on", "lakehouse token revoke 3f2a9c51d07b"
    )
    revoke.add_argument("token", metavar="ID", help="id of the token, as 'lakehouse token ls' shows it")
    add_project(revoke)
    ls = parser.add_command(
        actions, "ls", "list the tokens with their principals, and until when they hold", "lakehouse token ls"
    )
    add_project(ls, positional=True)


def lifetime(text: str) -> timedelta:
    """A time span as an argument.

    >>> lifetime("12h")
    datetime.timedelta(seconds=43200)
    """
    found = re.fullmatch(r"(\d{1,5})([mhd])", text.strip().lower())
    if found is None or int(found.group(1)) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no time span; expected 30d, 12h or 15m")
    return int(found.group(1)) * _UNITS[found.group(2)]


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d{1,15})([kmg]?)b?", text.strip().lower())
    if found is None or int(found.group(1)) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no size; expected 512m or 16g")
    return int(found.group(1)) * _SIZES[found.group(2)]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port")
    return int(text)
