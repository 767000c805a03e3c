"""A project in a temporary folder, out of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from lakehouse.definition.loading import load_project
from lakehouse.definition.project import Project

SPEC = """\
name: test
database: silver
libraries: [{glob: {include: tables/**}}]
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Writes files into the project's folder; without a spec among them, a plain one."""

    def write_files(files: Mapping[str, str]) -> Path:
        root = tmp_path / "project"
        (root / "tables").mkdir(parents=True, exist_ok=True)
        given = {**({} if any("spark-pipeline" in name for name in files) else {"spark-pipeline.yml": SPEC}), **files}
        for name, text in given.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
        return root

    return write_files


@pytest.fixture
def load(write: Callable[[Mapping[str, str]], Path]) -> Callable[..., Project]:
    """The project that the given files make."""

    def load_files(files: Mapping[str, str], **settings: Any) -> Project:
        return load_project(write(files), **settings)

    return load_files
