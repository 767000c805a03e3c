"""Options of a file source on their way to Spark's readers: what is set by us, and what would lose rows silently."""

from __future__ import annotations

from pyspark.errors import ParseException
from pyspark.sql.types import StructField, StructType

from lakehouse.definition.dataset import FileSource
from lakehouse.errors import InvalidValue

CORRUPT = "__corrupt_record"  # Spark's raw text of a record it could not read as a whole

PATH_OPTIONS = {
    # Whatever the session says: a file that cannot be read is an error, not an empty file.
    "ignorecorruptfiles": "false",
    "ignoremissingfiles": "false",
    # The paths are names of files, not patterns. Spark looks for this key in exactly this case.
    "__globPaths__": "false",
}

_REFUSED = {
    "badrecordspath": "Spark ignores it; a file with such records is set aside, see 'max_bad_files'",
    "basepath": "partition folders are found below the folder that 'files' names",
    "columnnameofcorruptrecord": "a file with such records is set aside, see 'max_bad_files'",
    "ignorecorruptfiles": "it loses rows silently; unreadable files are set aside, see 'max_bad_files'",
    "ignoremissingfiles": "it loses rows silently",
    "modifiedafter": "which files are loaded is decided by 'files' alone",
    "modifiedbefore": "which files are loaded is decided by 'files' alone",
    "pathglobfilter": "which files are loaded is decided by 'files' alone",
    "recursivefilelookup": "use '**' in 'files'",
}


def reader_options(source: FileSource) -> dict[str, str]:
    """The options for Spark's reader, keys in lower case.

    Raises InvalidValue for an option that would hide files or rows from the ledger.
    """
    options = {key.lower(): value for key, value in source.options}
    for key, reason in _REFUSED.items():
        if key in options:
            raise InvalidValue(f"the option '{key}' is not allowed: {reason}.", where=source.location)
    if options.get("mode", "").upper() == "DROPMALFORMED":
        raise InvalidValue(
            "the option 'mode: DROPMALFORMED' is not allowed: it loses rows silently.",
            where=source.location,
            hint="Remove it: a file with malformed records is set aside, see 'max_bad_files'.",
        )
    if float(options.get("samplingratio", "1")) < 1:
        raise InvalidValue(
            "the option 'samplingRatio' is not allowed: columns outside of the sample would be lost silently.",
            where=source.location,
            hint="Remove it, or declare the 'schema'.",
        )
    options |= {
        "mode": "PERMISSIVE",
        "columnnameofcorruptrecord": CORRUPT,
        **PATH_OPTIONS,
    }
    if source.format == "csv":
        # A pruned reader parses only the columns asked for, and sees no ragged lines.
        options |= {"columnpruning": "false", "enforceschema": "true"}
        if encoding_of(options).startswith(("UTF-16", "UTF-32")):
            options["multiline"] = "true"  # by lines, Spark would cut such text in the middle of a character
    return options


def encoding_of(options: dict[str, str]) -> str:
    """The encoding of text files, in upper case; UTF-8 unless the source says otherwise."""
    return (options.get("encoding") or options.get("charset") or "UTF-8").upper()


def is_true(options: dict[str, str], key: str) -> bool:
    """Whether a yes-or-no option is on; like Spark's readers, off by default."""
    return options.get(key, "false").lower() == "true"


def declared_schema(source: FileSource) -> StructType | None:
    """The columns of the source's own `schema`. Raises InvalidValue if it is not a list of columns and types."""
    if source.schema is None:
        return None
    try:
        declared = StructType.fromDDL(source.schema)
    except ParseException as error:
        raise InvalidValue(
            f"'schema: {source.schema}' is not a list of columns and types.",
            where=source.location,
            hint='Expected: schema: "id BIGINT, name STRING".',
        ) from error
    assert isinstance(declared, StructType)
    return StructType([StructField(field.name, field.dataType) for field in declared.fields])
