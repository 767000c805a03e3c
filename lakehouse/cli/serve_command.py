"""`lakehouse serve`: the gateway, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path
from typing import NoReturn

from lakehouse.cli.project_arguments import project_folder, variables
from lakehouse.cli.screen import Screen

_LOOK_SECONDS = 0.2


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0 after a clean end. Raises UsageError for an address off loopback without TLS, DefinitionError for
    rules that cannot be meant, AccessRefused where recorded ones cannot."""
    folder, values = project_folder(arguments), variables(arguments.var)
    # Imports pyarrow and pyspark, and arguments that do not fit need not wait for it.
    from lakehouse.catalog.current_policy import read_current_policy
    from lakehouse.definition.loading import load_project
    from lakehouse.definition.spec_file import read_spec
    from lakehouse.run.stopping import StopRequest
    from lakehouse.serving.gateway.current_rules import CurrentRules
    from lakehouse.serving.gateway.gateway import Gateway, Listening
    from lakehouse.serving.gateway.limits import Limits
    from lakehouse.serving.gateway.spark_query_service import SparkQueryService
    from lakehouse.storage.access_ledger import AccessLedger
    from lakehouse.storage.access_tokens import AccessTokens
    from lakehouse.storage.audit_log import AuditLog

    listening = Listening(
        host=arguments.host,
        port=arguments.port,
        certificate=Path(arguments.tls_cert) if arguments.tls_cert else None,
        key=Path(arguments.tls_key) if arguments.tls_key else None,
    )
    listening.certificates()  # before Spark starts
    spec = read_spec(folder, target=arguments.target, variables=values)
    read_current_policy(folder, spec, AccessLedger(spec.warehouse, spec.name))  # rules that are wrong: say so here
    limits = Limits(
        seconds=arguments.max_seconds,
        rows=arguments.max_rows,
        bytes=arguments.max_bytes,
        queries=arguments.max_queries,
        queries_each=arguments.max_queries_each,
    )
    rules, tokens = CurrentRules(spec), AccessTokens(spec.warehouse)
    with StopRequest((signal.SIGINT, signal.SIGTERM), _end_at_once) as stop:
        service = SparkQueryService(
            spec, rules, lambda: load_project(folder, target=arguments.target, variables=values), limits=limits
        )
        try:
            with (
                AuditLog(spec.warehouse) as audit,
                Gateway(service, tokens, audit, rules.find, listening, limits) as gateway,
            ):
                screen.event("serving", address=gateway.address, project=spec.name)
                screen.say(f"{spec.name} is served at {gateway.address}; Ctrl-C ends it.")
                while stop.stopped() is None:
                    time.sleep(_LOOK_SECONDS)
                screen.note("stopping.")
        finally:
            service.close()
    screen.event("served", address=gateway.address)
    return 0


def _end_at_once(number: int) -> NoReturn:
    raise KeyboardInterrupt
