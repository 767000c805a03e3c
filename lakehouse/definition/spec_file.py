"""`spark-pipeline.yml` and a target's file `conf/<target>.yml` become the spec of a project."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import Field

from lakehouse.definition.document import Document
from lakehouse.definition.document import Path as DocumentPath
from lakehouse.definition.project import ProjectSpec
from lakehouse.definition.source_text import source_text
from lakehouse.definition.strict_model import StrictModel, Texts, checked
from lakehouse.definition.substitution import resolve_variables, substitute
from lakehouse.definition.yaml_text import read_yaml
from lakehouse.errors import (
    DefinitionError,
    DefinitionErrors,
    InvalidValue,
    SourceLocation,
    UnknownName,
    UsageError,
)
from lakehouse.names import RESERVED_SCHEMAS, is_legal

SPEC_FILES = ("spark-pipeline.yml", "spark-pipeline.yaml")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:/")


class GlobModel(StrictModel):
    """The files of a library."""

    include: str = Field(min_length=1)


class LibraryModel(StrictModel):
    """One entry of `libraries`."""

    glob: GlobModel


class TargetModel(StrictModel):
    """The keys of `conf/<target>.yml`; what it says replaces what the spec says."""

    catalog: str | None = None
    database: str | None = None
    schema_: str | None = Field(None, alias="schema")
    configuration: Texts = Field(default_factory=dict)
    warehouse: str | None = Field(None, min_length=1)
    max_concurrent_refreshes: int | None = Field(None, ge=1)


class SpecModel(TargetModel):
    """The keys of the spec: those of Spark Declarative Pipelines, and ours."""

    name: str = Field(min_length=1)
    storage: str | None = None
    libraries: list[LibraryModel] = Field(default_factory=list)
    access: str | None = None


def find_project(start: Path) -> Path:
    """The folder of the project that `start` (a folder or a file) is in: the nearest one upward with a spec.

    Raises UsageError if there is none.
    """
    here = start.expanduser().resolve()
    for folder in (here, *here.parents):
        if any((folder / name).is_file() for name in SPEC_FILES):
            return folder
    raise UsageError(
        f"no {SPEC_FILES[0]} in '{start}' or any folder above.",
        hint="Give the project's folder with --project, or make one with 'lakehouse init NAME'.",
    )


def read_spec(root: Path, *, target: str | None, variables: Mapping[str, str]) -> ProjectSpec:
    """The spec of the project in the folder `root`, as it holds for a target and the values of --var.

    Raises UnknownKey, InvalidValue, UndefinedVariable or UnknownName (the target), or DefinitionErrors with several.
    """
    root = root.expanduser().resolve()
    file = _spec_file(root)
    target_file = None if target is None else _target_file(root, target)
    files = [(file, SpecModel)] + ([] if target_file is None else [(target_file, TargetModel)])
    raw = [_document(path, root, None) for path, _ in files]
    configuration, places = _configuration(raw, variables)
    resolved, problems = resolve_variables(configuration, places.get)
    if problems:
        raise _together(problems)
    documents = [_document(path, root, resolved) for path, _ in files]
    models: list[Any] = [
        checked(model, document, (), document.value, inside=f"the spec '{document.file}'")
        for document, (_, model) in zip(documents, files, strict=True)
    ]
    spec, overrides = models[0], models[-1]
    for model, document in zip(models, documents, strict=True):
        if model.database and model.schema_ and model.database != model.schema_:
            raise InvalidValue("'database' and 'schema' are the same key; keep one.", where=document.where("schema"))
    database = overrides.database or overrides.schema_ or spec.database or spec.schema_ or "default"
    for model, document in zip(models, documents, strict=True):
        for key, text in (("database", model.database), ("schema", model.schema_)):
            if text is not None and (not is_legal(text) or text.lower() in RESERVED_SCHEMAS):
                why = "is the framework's own schema" if is_legal(text) else "may hold letters, digits and _ only"
                raise InvalidValue(f"the {key} '{text}' {why}.", where=document.where(key), hint="Choose another name.")
    if not spec.libraries:
        raise InvalidValue(
            "the project has no 'libraries', so it declares nothing.",
            where=documents[0].where("libraries"),
            hint="Say where its files are: libraries: [{glob: {include: bronze/**}}].",
        )
    return ProjectSpec(
        name=spec.name,
        root=root,
        file=file,
        catalog=overrides.catalog or spec.catalog,
        database=database,
        storage=spec.storage,
        configuration=MappingProxyType(resolved),
        libraries=tuple(library.glob.include for library in spec.libraries),
        access=spec.access,
        target=target,
        warehouse=_warehouse(overrides.warehouse or spec.warehouse or "warehouse", root),
        max_concurrent_refreshes=overrides.max_concurrent_refreshes or spec.max_concurrent_refreshes or 2,
    )


def _spec_file(root: Path) -> Path:
    found = [root / name for name in SPEC_FILES if (root / name).is_file()]
    if len(found) > 1:
        raise InvalidValue(f"'{root}' holds both {' and '.join(SPEC_FILES)}; a project has one spec. Remove one.")
    if not found:
        raise UsageError(f"'{root}' holds no {SPEC_FILES[0]}.", hint="Make a project with 'lakehouse init NAME'.")
    return found[0]


def _target_file(root: Path, target: str) -> Path:
    if target in (".", "..") or "/" in target or os.sep in target:
        raise UsageError(f"'{target}' is not the name of a target.", hint="--target NAME means the file conf/NAME.yml.")
    folders = [folder / "conf" for folder in (root, *root.parents)]
    for folder in folders:
        for suffix in (".yml", ".yaml"):
            if (folder / f"{target}{suffix}").is_file():
                return folder / f"{target}{suffix}"
    existing = {path.stem for folder in folders for path in folder.glob("*.y*ml")}
    raise UnknownName(target, existing, what="target")


def _document(file: Path, root: Path, variables: Mapping[str, str] | None) -> Document:
    """The one document of a YAML file; its variables are replaced, or without `variables` left as they are."""
    name = os.path.relpath(file, root)

    def expand(text: str, path: DocumentPath, where: SourceLocation) -> str:
        return text if variables is None else substitute(text, variables, where)

    documents, problems = read_yaml(source_text(file, root), name, expand=expand)
    if problems:
        raise _together(problems)
    if len(documents) > 1:
        raise InvalidValue("this file holds one document, not several.", where=documents[1].where())
    document = documents[0] if documents else Document(value={}, file=name, line=1)
    if not isinstance(document.value, dict):
        raise InvalidValue("this file must be a mapping of keys.", where=document.where())
    return document


def _configuration(
    documents: list[Document], variables: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, SourceLocation]]:
    """The merged configuration before its own variables are replaced, and where each key was said."""
    merged: dict[str, str] = {}
    places: dict[str, SourceLocation] = {}
    for document in documents:
        value = document.value.get("configuration") or {}
        if not isinstance(value, dict):
            raise InvalidValue("'configuration' must be a mapping.", where=document.where("configuration"))
        for key, text in value.items():
            where = document.where("configuration", key)
            if not isinstance(text, str):
                raise InvalidValue(f"'{key}' in 'configuration' needs one value, as text.", where=where)
            merged[key], places[key] = text, where
    for key, text in variables.items():
        merged[key] = text
        places.pop(key, None)
    return merged, places


def _warehouse(text: str, root: Path) -> str:
    if _URI.match(text):
        return text.rstrip("/")
    return str((root / Path(text).expanduser()).resolve())


def _together(problems: tuple[DefinitionError, ...]) -> DefinitionError:
    return problems[0] if len(problems) == 1 else DefinitionErrors(problems)
