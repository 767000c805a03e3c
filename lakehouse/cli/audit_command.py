"""`lakehouse audit`: what was asked for through the gateway, and whether the record is whole."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from lakehouse.cli.project_arguments import project_folder, variables
from lakehouse.cli.screen import Column, Screen
from lakehouse.definition.spec_file import read_spec
from lakehouse.errors import UsageError
from lakehouse.serving.figures import counted, instant

_BROKEN = 1
_COLUMNS = (
    Column(key="event_time", title="time (UTC)", write=instant),
    Column(key="principal", title="principal"),
    Column(key="action_name", title="action"),
    Column(key="status_code", title="status", right=True),
    Column(key="source_ip_address", title="from", wide=True),
    Column(key="command", title="statement", folds=True),
    Column(key="error_message", title="refused or failed", folds=True, wide=True),
)


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0; 1 if `--verify` finds that the record is not whole."""
    from lakehouse.storage.audit_log import DENIED, UNAUTHENTICATED, read_audit

    spec = read_spec(project_folder(arguments), target=arguments.target, variables=variables(arguments.var))
    since = [("event_time", ">=", _instant(arguments.since))] if arguments.since else []
    if arguments.verify:
        return _verified(spec.warehouse, screen)
    found = [_shown(row) for row in read_audit(spec.warehouse, since)]
    refused = (DENIED, UNAUTHENTICATED)
    wanted = [
        row
        for row in reversed(found)
        if (not arguments.denied or row["status_code"] in refused) and arguments.principal in (None, row["principal"])
    ][: arguments.limit]
    for row in wanted:
        screen.event("audit", **row)
    screen.table(_COLUMNS, wanted)
    if not wanted:
        screen.say("there is nothing of this in the audit.")
    return 0


def _verified(warehouse: str, screen: Screen) -> int:
    """Says whether the record is whole, and exits so."""
    from lakehouse.storage.audit_log import (
        FIRST_HASH,
        keeps_end,
        read_audit,
        read_audit_end,
        verify_chain,
        verify_end,
    )

    end = read_audit_end(warehouse)  # before the rows: the gateway may write more meanwhile, never less
    rows = read_audit(warehouse)
    broken = verify_chain(rows)
    reaches = verify_end(rows, end) if keeps_end(warehouse) else None
    last = rows[-1]["hash"] if rows else FIRST_HASH
    sequence = broken["sequence"] if broken else None
    screen.event("verified", rows=len(rows), last_hash=last, broken_sequence=sequence, reaches_noted_end=reaches)
    if broken is not None:
        screen.say(f"row {sequence} does not follow from the rows before it.", "red")
        return _BROKEN
    if reaches is False:
        noted = f"row {end.sequence} was the last one noted" if end else "the note of the last row is missing"
        screen.say(f"rows may be missing at the end: {counted(len(rows), 'row')} are here, and {noted}.", "red")
        return _BROKEN
    noted = "as far as was noted when they were written" if reaches else "and no note is kept of how many there were"
    screen.say(f"{counted(len(rows), 'row')}, each as it was written, {noted}. The last hash is {last}.")
    return 0


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with what its structures hold; without its place in the chain."""
    response = json.loads(row["response"])
    kept = ("event_id", "event_time", "action_name", "source_ip_address", "user_agent", "session_id", "request_id")
    return {
        **{name: row[name] for name in kept},
        "principal": json.loads(row["user_identity"])["email"],
        "command": json.loads(row["request_params"]).get("commandText"),
        "status_code": response["status_code"],
        "error_message": response["error_message"],
        "result": response["result"],
    }


def _instant(text: str) -> datetime:
    """An instant as ISO text, in UTC unless it names a zone. Raises UsageError."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise UsageError(f"'{text}' is no timestamp.", hint="Expected 2026-01-31 or 2026-01-31T12:00:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
