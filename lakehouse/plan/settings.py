"""Which settings a query's result depends on, as one fingerprint.

`spark.sql.*` settings mean something to every query (ANSI mode, time zone, case sensitivity), except those that only
decide how fast it runs. The project's own keys reach a Python query through `spark.conf.get`; in SQL they are
already part of the text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version

# How a result is computed may change between releases of the product; raise this when it does.
_SEMANTICS = 1

_SPEED_ONLY = (
    "spark.sql.shuffle.partitions",
    "spark.sql.adaptive.",
    "spark.sql.autoBroadcastJoinThreshold",
    "spark.sql.files.",
    "spark.sql.pipelines.",
    "spark.sql.warehouse.dir",
    "spark.sql.codegen.",
    "spark.sql.ui.",
)


def settings_fingerprint(configuration: Mapping[str, str], *, reads_configuration: bool) -> str:
    """A digest of the settings that decide a result; `reads_configuration` for queries written in Python."""
    deciding = {
        key: value
        for key, value in configuration.items()
        if (key.startswith("spark.sql.") and not key.startswith(_SPEED_ONLY))
        or (reads_configuration and not key.startswith("spark."))
    }
    facts = {"semantics": _SEMANTICS, "pyspark": version("pyspark"), "configuration": deciding}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
