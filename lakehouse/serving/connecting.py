"""`lakehouse.connect`: to a project, as its owner or as a principal, or to a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from lakehouse.serving.remote import RemoteConnection, is_remote

if TYPE_CHECKING:
    from lakehouse.catalog.policy import AccessPolicy
    from lakehouse.serving.connection import Connection
    from lakehouse.serving.guarded import GuardedConnection


@overload
def connect(project: str, *, token: str) -> RemoteConnection:
    """To a gateway."""


@overload
def connect(
    project: str | Path | None = None,
    *,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    at: str | None = None,
) -> Connection:
    """To a project, as its owner."""


@overload
def connect(
    project: str | Path | None = None,
    *,
    principal: str,
    policy: AccessPolicy | None = None,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    at: str | None = None,
) -> GuardedConnection:
    """To a project, as a principal."""


def connect(
    project: str | Path | None = None, *, token: str | None = None, **options: Any
) -> Connection | GuardedConnection | RemoteConnection:
    """Opens a project (a folder, or any folder in one; default: here) for reading: as its owner, or with
    `principal='ana@corp'` as who sees what the project's access rules give.

    `target` and `variables` are those of the command line. `at` names an older state: a run that published, or an
    instant as ISO text (UTC unless it names a zone). Raises UsageError where there is no project or no such state,
    AccessRefused for a principal that is unknown, or where there are no access rules. Nothing is started.

    The address of a gateway (`grpc+tls://host:port`) in place of a project, with its `token`, needs neither Spark nor
    Java, see `RemoteConnection`.
    """
    if token is not None or is_remote(project):
        return RemoteConnection(str(project), token, **options)
    # Imports what reads projects, which a gateway's client need not have loaded.
    from lakehouse.serving import connection

    opened: Connection | GuardedConnection = connection.connect(project, **options)
    return opened
