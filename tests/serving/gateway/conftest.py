"""A gateway on a free port of this machine, over the in-memory service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from lakehouse.catalog.principal import Principal
from lakehouse.serving.gateway.gateway import Gateway, Listening
from lakehouse.serving.gateway.limits import Limits
from lakehouse.storage.access_tokens import AccessTokens
from lakehouse.storage.audit_log import AuditLog, read_audit
from tests.serving.gateway.in_memory import PEOPLE, InMemoryService


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway that runs, and what it was made of."""

    gateway: Gateway
    service: InMemoryService
    tokens: AccessTokens
    warehouse: str

    @property
    def address(self) -> str:
        return self.gateway.address

    def token(self, principal: Principal, lifetime: timedelta = timedelta(days=1)) -> str:
        return self.tokens.create(str(principal), lifetime, datetime.now(timezone.utc))[0]

    def audit(self) -> list[dict[str, Any]]:
        return read_audit(self.warehouse)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts a gateway; with limits and other parts of a test's own."""
    with ExitStack() as stack:

        def start(limits: Limits | None = None, audit: Any = None, listening: Listening | None = None) -> Served:
            warehouse = str(tmp_path / "warehouse")
            log = audit or stack.enter_context(AuditLog(warehouse))
            tokens, service = AccessTokens(warehouse), InMemoryService()
            made = Gateway(service, tokens, log, PEOPLE.get, listening or Listening(), limits or Limits())
            return Served(stack.enter_context(made), service, tokens, warehouse)

        yield start


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()
