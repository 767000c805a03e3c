"""Readers over small tables with made-up rules of access, without a project's runs around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from lakehouse.catalog.compiled_policy import index
from lakehouse.catalog.policy import AccessPolicy, ColumnMask, Effect, RowFilter, Rule
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal, PrincipalKind
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import Securable, SecurableKind, table
from lakehouse.definition.spec_file import read_spec
from lakehouse.names import TableName
from lakehouse.serving.principal_access import principal_access
from lakehouse.serving.readable import TableVersion
from lakehouse.serving.secured_reader import SecuredReader
from lakehouse.storage.table_log import newest_version

CATALOG = "main"
ROOT = Securable(SecurableKind.CATALOG, (CATALOG,))
EVERYONE = (Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.SELECT)


def user(name: str) -> Principal:
    return Principal(PrincipalKind.USER, name)


def group(name: str) -> Principal:
    return Principal(PrincipalKind.GROUP, name)


def securable(name: TableName | str) -> Securable:
    schema, _, bare = str(name).partition(".")
    return table(CATALOG, schema, bare)


def grants(who: Principal, on: Securable, *privileges: Privilege) -> list[Rule]:
    return [Rule(Effect.ALLOW, who, privilege, on) for privilege in privileges]


def policy(
    *,
    rules: Iterable[Rule] | None = None,
    filters: Mapping[str, str] | None = None,
    masks: Mapping[tuple[str, str], str] | None = None,
    users: Iterable[str] = ("ana@corp", "bob@corp", "eve@corp"),
    groups: Mapping[str, frozenset[Principal]] | None = None,
) -> AccessPolicy:
    """Rules under which everyone reads everything but for `filters` (by table) and `masks` (by table and column)."""
    return AccessPolicy(
        catalog=CATALOG,
        directory=Directory(users=frozenset(users), groups=groups or {}),
        rules=tuple(grants(ACCOUNT_USERS, ROOT, *EVERYONE) if rules is None else rules),
        row_filters=tuple(
            RowFilter(name=f"filter {name}", table=securable(name), condition=condition)
            for name, condition in (filters or {}).items()
        ),
        masks=tuple(
            ColumnMask(name=f"mask {column}", table=securable(name), column=column, expression=expression)
            for (name, column), expression in (masks or {}).items()
        ),
    )


class Warehouse:
    """A project without definitions in `root`, and Delta tables beside it."""

    def __init__(self, root: Path, spark: SparkSession) -> None:
        self.root, self.spark = root, spark
        root.mkdir(parents=True, exist_ok=True)
        (root / "spark-pipeline.yml").write_text(
            "name: guarded\ncatalog: main\ndatabase: silver\nlibraries:\n  - glob: {include: tables/**}\n"
        )
        self.spec = read_spec(root, target=None, variables={})

    def location(self, name: str) -> str:
        return str(self.root / "warehouse" / name.replace(".", "/"))

    def write(self, name: str, rows: DataFrame, *, partition_by: tuple[str, ...] = (), cluster_by: str = "") -> None:
        """A new version of the table, its rows replaced."""
        if cluster_by:
            columns = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in rows.schema)
            self.spark.sql(
                f"CREATE TABLE delta.`{self.location(name)}` ({columns}) USING delta CLUSTER BY ({cluster_by})"
            )
            rows.write.format("delta").mode("append").save(self.location(name))
        else:
            writer = rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
            writer.partitionBy(*partition_by).save(self.location(name))

    def tables(self, *names: str) -> dict[TableName, TableVersion]:
        """These tables at their newest versions."""
        places = {name: self.location(name) for name in names}
        return {
            TableName(*name.split(".")): TableVersion(place, newest_version(place)) for name, place in places.items()
        }

    def reader(self, rules: AccessPolicy, tables: Mapping[TableName, TableVersion], who: str) -> SecuredReader:
        return SecuredReader(self.spec, tables, principal_access(index(rules), who))
