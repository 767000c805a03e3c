"""The rules of access over a project's published tables, with the tags and masks that came along their lineage."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from lakehouse.catalog.current_policy import CurrentPolicy, read_current_policy
from lakehouse.catalog.inherited_rules import InheritedRules, inherited_rules, published_lineage
from lakehouse.catalog.lineage import Lineage
from lakehouse.catalog.policy import AccessPolicy, TableShape
from lakehouse.catalog.value_literals import ddl
from lakehouse.definition.project import ProjectSpec
from lakehouse.names import TableName
from lakehouse.plan.records import Publication
from lakehouse.run.delta_warehouse import DeltaWarehouse
from lakehouse.storage.access_ledger import AccessLedger
from lakehouse.storage.table_metadata import metadata_at

_CONCURRENT = 8
Place = tuple[str, int]  # where a table lies, and its version


def project_rules(spec: ProjectSpec) -> CurrentPolicy:
    """The rules of a project as they are now; see `read_current_policy`, also for what it raises."""
    return read_current_policy(spec.root, spec, AccessLedger(spec.warehouse, spec.name))


def rules_over(
    spec: ProjectSpec,
    policy: AccessPolicy,
    warehouse: DeltaWarehouse,
    publication: Publication | None,
    others: Mapping[TableName, Place] | None = None,
) -> InheritedRules:
    """The rules and what follows from them for the tables of a publication; `others` are tables that may be read
    beside them."""
    if publication is None or not (policy.masks or policy.tags or policy.row_filters):
        return inherited_rules(policy, Lineage())
    published = {name: (warehouse.location(name), table.version) for name, table in publication.tables.items()}
    places = {**(others or {}), **published}
    with ThreadPoolExecutor(_CONCURRENT) as pool:
        found = dict(zip(places, pool.map(lambda place: metadata_at(*place), places.values()), strict=True))
    columns = {
        str(name): [column["name"] for column in metadata.schema["fields"]]
        for name, metadata in found.items()
        if metadata is not None
    }
    recorded = warehouse.lineage.rows(filters=[("project", "=", spec.name)])
    return inherited_rules(policy, published_lineage(publication, recorded, policy.catalog, columns))


def table_shape(name: TableName, location: str, version: int) -> TableShape | None:
    """A table as it is at a version, without tags; None if its log does not tell. Needs no Spark."""
    metadata = metadata_at(location, version)
    if metadata is None:
        return None
    columns = tuple((column["name"], ddl(column["type"])) for column in metadata.schema["fields"])
    return TableShape(name, columns, tuple(column.lower() for column in metadata.partition_by))
