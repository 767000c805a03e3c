"""The files that feed a streaming table: one model for YAML, SQL and Python, so that all three mean the same."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field

from lakehouse.definition.dataset import FileSource, Flow, OnChange, SchemaEvolution
from lakehouse.definition.document import Document
from lakehouse.definition.document import Path as DocumentPath
from lakehouse.definition.sql_references import referenced_tables
from lakehouse.definition.strict_model import StrictModel, Texts, checked
from lakehouse.errors import DuplicateName, InvalidValue

# Compression says nothing about the format; what is left of the name does.
_COMPRESSION = re.compile(r"\.(gz|bz2|zst|lz4|snappy|deflate)$", re.IGNORECASE)
_FORMATS = {
    "avro": "avro",
    "csv": "csv",
    "json": "json",
    "jsonl": "json",
    "ndjson": "json",
    "orc": "orc",
    "parquet": "parquet",
    "tsv": "csv",
    "txt": "text",
    "xml": "xml",
}
SOURCE_PLACEHOLDER = "{source}"


class SourceModel(StrictModel):
    """The keys of `source:`."""

    name: str | None = None
    files: str = Field(min_length=1)
    format: str | None = None
    options: Texts = Field(default_factory=dict)
    schema_text: str | None = Field(None, alias="schema")
    schema_evolution: Literal["add_columns", "rescue", "fail", "ignore"] = "add_columns"
    on_change: Literal["error", "reload"] = "error"
    deduplicate: Literal["content"] | None = None
    max_bad_files: int = Field(0, ge=0)
    select: str | None = None


def read_source(document: Document, path: DocumentPath, value: Any) -> FileSource:
    """A file source. Raises UnknownKey or InvalidValue, or DefinitionErrors with several of them."""
    source = checked(SourceModel, document, path, value, inside="a file source")
    select = None
    if source.select is not None:
        select = _checked_select(source.select, document, path)
    return FileSource(
        files=source.files,
        format=(source.format or _format_of(source.files, document, path)).lower(),
        options=tuple(sorted(source.options.items())),
        schema=source.schema_text,
        schema_evolution=SchemaEvolution(source.schema_evolution),
        on_change=OnChange(source.on_change),
        deduplicate_content=source.deduplicate == "content",
        max_bad_files=source.max_bad_files,
        select=select,
        location=document.where(*path),
    )


def read_flows(document: Document, name: str, value: dict[str, Any]) -> tuple[Flow, ...]:
    """The flows of the streaming table `name` from its `source` or `sources`; several need a name each."""
    if ("source" in value) == ("sources" in value):
        raise InvalidValue(
            f"streaming table '{name}' needs either 'source' or 'sources'.",
            where=document.where("sources"),
            hint="A streaming table is fed by files: source: {files: …, format: …}.",
        )
    if "source" in value:
        source = read_source(document, ("source",), value["source"])
        return (Flow(name=value["source"].get("name") or name, source=source, location=source.location),)
    if not isinstance(value["sources"], list) or not value["sources"]:
        raise InvalidValue(f"'sources' of '{name}' must be a list of sources.", where=document.where("sources"))
    flows: dict[str, Flow] = {}
    for index, item in enumerate(value["sources"]):
        source = read_source(document, ("sources", index), item)
        flow_name = item.get("name") or (name if len(value["sources"]) == 1 else None)
        if flow_name is None:
            raise InvalidValue(
                f"each of several sources of '{name}' needs a 'name'.",
                where=source.location,
                hint="The name identifies what was loaded, whatever becomes of the path.",
            )
        if flow_name in flows:
            raise DuplicateName(flow_name, first=flows[flow_name].location, where=source.location)
        flows[flow_name] = Flow(name=flow_name, source=source, location=source.location)
    return tuple(flows.values())


def _checked_select(select: str, document: Document, path: DocumentPath) -> str:
    """The SQL over the files; it must name them and nothing else."""
    where = document.text_where(*path, "select")
    if SOURCE_PLACEHOLDER not in select:
        raise InvalidValue("'select' must read FROM {source}.", where=where)
    others = referenced_tables(select.replace(SOURCE_PLACEHOLDER, "`{source}`"), where)
    foreign = [reference for reference in others if reference.parts != (SOURCE_PLACEHOLDER,)]
    if foreign:
        raise InvalidValue(
            f"a streaming table reads files only, and here also '{'.'.join(foreign[0].parts)}'.",
            where=where,
            hint="Join in a materialized view that reads this table.",
        )
    return select


def _format_of(files: str, document: Document, path: DocumentPath) -> str:
    suffix = _COMPRESSION.sub("", files).rpartition(".")[2].lower()
    if suffix not in _FORMATS:
        raise InvalidValue(
            f"the format of '{files}' is not clear from its name.",
            where=document.where(*path, "files"),
            hint="Say it: format: csv, json, parquet, text, xml, avro or orc.",
        )
    return _FORMATS[suffix]
