"""A gateway over the project of `hr_project`, with Spark in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as dbapi

from lakehouse.catalog.principal import Principal, PrincipalKind
from lakehouse.definition.loading import load_project
from lakehouse.definition.spec_file import read_spec
from lakehouse.serving.gateway.current_rules import CurrentRules
from lakehouse.serving.gateway.gateway import Gateway, Listening
from lakehouse.serving.gateway.limits import Limits
from lakehouse.serving.gateway.spark_query_service import SparkQueryService
from lakehouse.storage.access_tokens import AccessTokens
from lakehouse.storage.audit_log import AuditLog
from tests.serving.gateway.hr_project import make_hr_project

ANA = Principal(PrincipalKind.USER, "ana@corp")


@dataclass(frozen=True, slots=True)
class HrSite:
    """The project's folder, and what serves it."""

    root: Path
    gateway: Gateway
    service: SparkQueryService
    tokens: AccessTokens
    warehouse: str

    def token(self, who: str = "ana", lifetime: timedelta = timedelta(hours=1)) -> str:
        return self.tokens.create(f"{who}@corp", lifetime, datetime.now(timezone.utc))[0]

    def connect(self, token: str) -> Any:
        """An ADBC connection; a context manager."""
        given = {"adbc.flight.sql.authorization_header": f"Bearer {token}"}
        return dbapi.connect(self.gateway.address, db_kwargs=given, autocommit=True)

    def raw_database(self) -> str:
        """The name that nobody can guess, for who tries what would be if it were known. Ana has asked before."""
        seat = self.service._places[ANA].seat
        assert seat is not None
        return seat.reader._raw_database


@contextmanager
def hr_site(folder: Path) -> Iterator[HrSite]:
    """Makes the project below `folder` and serves it."""
    root = make_hr_project(folder / "hr")
    spec = read_spec(root, target=None, variables={})
    rules = CurrentRules(spec)
    service = SparkQueryService(spec, rules, lambda: load_project(root))
    tokens = AccessTokens(spec.warehouse)
    limits = Limits(seconds=300)
    with AuditLog(spec.warehouse) as audit, Gateway(service, tokens, audit, rules.find, Listening(), limits) as gateway:
        yield HrSite(root, gateway, service, tokens, spec.warehouse)
