"""`lakehouse token create | revoke | ls`: the tokens that open the gateway."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from typing import Any

from lakehouse.cli.project_arguments import project_folder, variables
from lakehouse.cli.screen import Column, Screen
from lakehouse.definition.spec_file import read_spec
from lakehouse.errors import UnknownName
from lakehouse.serving.figures import instant

_COLUMNS = (
    Column(key="token", title="id"),
    Column(key="principal", title="principal"),
    Column(key="state", title="state"),
    Column(key="created_at", title="created (UTC)", write=instant, wide=True),
    Column(key="expires_at", title="expires (UTC)", write=instant),
    Column(key="revoked_at", title="revoked (UTC)", write=instant, wide=True),
)


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises UnknownName for a principal or token that is not there."""
    from lakehouse.storage.access_tokens import AccessToken, AccessTokens  # imports deltalake

    spec = read_spec(project_folder(arguments), target=arguments.target, variables=variables(arguments.var))
    tokens, now = AccessTokens(spec.warehouse), datetime.now(timezone.utc)

    def fields(found: AccessToken) -> dict[str, Any]:
        ended = "revoked" if found.revoked_at else "expired"
        return {
            "token": found.token,
            "principal": found.principal,
            "state": "valid" if found.is_valid(now) else ended,
            "created_at": found.created_at,
            "expires_at": found.expires_at,
            "revoked_at": found.revoked_at,
        }

    if arguments.action == "create":
        principal = _acting(spec, arguments.principal)
        secret, made = tokens.create(principal, arguments.expires, now)
        screen.event("token", **fields(made), secret=secret)
        screen.say(secret)
        screen.note(f"the token of {principal}, until {instant(made.expires_at)} UTC; it is not shown again.")
    elif arguments.action == "revoke":
        revoked = tokens.revoke(arguments.token, now)
        screen.event("token", **fields(revoked))
        screen.say(f"{revoked.token} of {revoked.principal} is revoked.")
    else:
        found = [fields(each) for each in tokens.all()]
        for row in found:
            screen.event("token", **row)
        screen.table(_COLUMNS, found)
        if not found:
            screen.say("there are no tokens; 'lakehouse token create PRINCIPAL' makes one.")
    return 0


def _acting(spec: Any, name: str) -> str:
    """The name of the user or service principal. Raises UnknownName for any other."""
    from lakehouse.catalog.current_policy import read_current_policy
    from lakehouse.storage.access_ledger import AccessLedger

    policy = read_current_policy(spec.root, spec, AccessLedger(spec.warehouse, spec.name)).policy
    acting = policy.directory.users | policy.directory.services
    found = policy.directory.find(name)
    if found is None or found.name not in acting:
        raise UnknownName(name, acting, what="user or service principal")
    return found.name
