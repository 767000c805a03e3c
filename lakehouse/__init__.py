"""Declarative bronze, silver and gold tables on Spark and Delta Lake."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import lakehouse.pipelines as pipelines
    import lakehouse.testing as testing
    from lakehouse.serving.connecting import connect
    from lakehouse.serving.connection import Connection

__all__ = ["Connection", "__version__", "connect", "pipelines", "testing"]

__version__ = "0.1.0"

# What a user imports from here lives in layers that take a while to load: each is loaded when it is asked for.
_LAZY = {
    "connect": ("lakehouse.serving.connecting", "connect"),
    "Connection": ("lakehouse.serving.connection", "Connection"),
    "pipelines": ("lakehouse.pipelines", None),
    "testing": ("lakehouse.testing", None),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'lakehouse' has no attribute '{name}'")
    module_name, attribute = _LAZY[name]
    module = importlib.import_module(module_name)
    return getattr(module, attribute) if attribute else module
