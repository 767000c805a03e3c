"""Source files as one frame: every column of every file under its name, and the file that each row came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from lakehouse.definition.dataset import FileSource, SchemaEvolution
from lakehouse.errors import SchemaError
from lakehouse.plan.load_plan import SourceFile
from lakehouse.refresh.bad_files import BadFile, BadFileKind
from lakehouse.refresh.file_reading_columns import RESERVED, Target, plan_columns
from lakehouse.refresh.file_reading_rows import RECORD_FORMATS, Reading, group_frames, rescues
from lakehouse.refresh.file_reading_shapes import FileGroup, read_shapes
from lakehouse.refresh.type_fitting import convert


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The columns that exist, with their types. With `is_open` any other column is welcome; else the source's evolution
    decides."""

    columns: StructType
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRead:
    """Files of one flow, grouped by shape, and the columns that their rows are brought into."""

    session: SparkSession
    source: FileSource
    groups: tuple[FileGroup, ...]
    target: Target
    reading: Reading

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """All files."""
        return tuple(file for group in self.groups for file in group.files)

    def frame(self) -> DataFrame:
        """The rows to load: the target's columns, `_source_file`, and with rescue `_rescued` and the marks."""
        return self._frame(self.reading if not rescues(self.source) else replace(self.reading, marks=True))

    def marked(self) -> DataFrame:
        """The same rows with marks, broken ones included."""
        return self._frame(replace(self.reading, marks=True))

    def _frame(self, reading: Reading) -> DataFrame:
        # Every frame has the same columns in the same order.
        return reduce(
            DataFrame.unionAll,
            [
                frame
                for group in self.groups
                for frame in group_frames(self.session, self.source, group, self.target, reading)
            ],
        )


def read_files(
    session: SparkSession, source: FileSource, files: Sequence[SourceFile], known: Known, reading: Reading
) -> tuple[FilesRead | None, list[BadFile]]:
    """The files to be read together, and those that cannot be; None if none can.

    Raises SchemaError for columns that may not come in, and what Spark raises for a file it cannot read while
    inferring a schema.
    """
    shapes = read_shapes(session, source, files)
    bad = list(shapes.bad)
    groups = [group for group in shapes.groups if group.files]
    schemas = [_with_partitions(group) for group in groups]
    _check_reserved(schemas, source)
    target = plan_columns(schemas, known.columns, None if known.is_open else source.schema_evolution)
    if source.schema_evolution is SchemaEvolution.FAIL and target.added:
        _refuse(target, groups, source)
    fitting: list[FileGroup] = []
    for group in groups:
        reason = _impossible(group, target, source)
        if reason is None:
            fitting.append(group)
        else:
            bad += [BadFile(file=file, kind=BadFileKind.SHAPE, detail=reason) for file in group.files]
    if not fitting:
        return None, bad
    read = FilesRead(session=session, source=source, groups=tuple(fitting), target=target, reading=reading)
    return read, bad


def _with_partitions(group: FileGroup) -> StructType:
    names = set(group.schema.names)
    keys = dict.fromkeys(key for file in group.files for key, _ in file.partition if key not in names)
    return StructType([*group.schema.fields, *(StructField(key, StringType()) for key in keys)])


def _impossible(group: FileGroup, target: Target, source: FileSource) -> str | None:
    """Why no value of a column could ever be converted; text formats are read in the wanted types anyway."""
    if source.format in RECORD_FORMATS:
        return None
    for field in _with_partitions(group).fields:
        wanted = target.find(field.name)
        if wanted is not None and convert(F.lit(None), field.dataType, wanted.dataType) is None:
            have, want = field.dataType.simpleString(), wanted.dataType.simpleString()
            return f"the column '{field.name}' is {have}, and {want} in the table"
    return None


def _check_reserved(schemas: Sequence[StructType], source: FileSource) -> None:
    taken = tuple(sorted({name for schema in schemas for name in schema.names if name.lower() in RESERVED}))
    if taken:
        raise SchemaError(
            f"the files of '{source.files}' have columns with names that every streaming table keeps for itself: "
            f"{', '.join(taken)}.",
            columns=taken,
            where=source.location,
            hint="Rename them in the files.",
        )
    for schema in schemas:
        names = [name.lower() for name in schema.names]
        twice = tuple(name for name in schema.names if names.count(name.lower()) > 1)
        if twice:
            raise SchemaError(
                f"the files of '{source.files}' have columns whose names differ in case only: {', '.join(twice)}.",
                columns=twice,
                where=source.location,
                hint="Rename one of them in the files; Spark takes them for one column.",
            )


def _refuse(target: Target, groups: Sequence[FileGroup], source: FileSource) -> None:
    names = {name.split(".")[0].lower() for name in target.added}
    guilty = next(g for g in groups if names & {name.lower() for name in _with_partitions(g).names})
    files = (
        f"'{guilty.files[0].path}'" if len(groups) > 1 or len(guilty.files) == 1 else f"the files of '{source.files}'"
    )
    raise SchemaError(
        f"{files} bring columns that the table does not have: {', '.join(target.added)}.",
        columns=target.added,
        where=source.location,
        hint="Set 'schema_evolution' to add_columns, rescue or ignore, or take the columns out of the files.",
    )
