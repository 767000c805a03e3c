"""The rules of access as they hold for one publication: with the tags and masks that follow lineage to its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from lakehouse.catalog.compiled_policy import CompiledPolicy, index
from lakehouse.catalog.lineage import Lineage, lineage_of
from lakehouse.catalog.policy import AccessPolicy, TableShape
from lakehouse.catalog.securable import table
from lakehouse.catalog.tag_inheritance import container_tags, effective_tags, inherited_masks, tags_of_table
from lakehouse.names import TableName
from lakehouse.plan.records import Publication
from lakehouse.run.delta_warehouse import DeltaWarehouse
from lakehouse.serving.readable import TableVersion
from lakehouse.storage.table_metadata import metadata_at

_CONCURRENT = 8


@dataclass(frozen=True, slots=True)
class CurrentAccess:
    """Rules ready for decisions; `with_tags` adds a table's own and inherited tags to its shape."""

    compiled: CompiledPolicy
    with_tags: Callable[[TableShape], TableShape]


def current_access(
    policy: AccessPolicy,
    warehouse: DeltaWarehouse,
    publication: Publication | None,
    tables: Mapping[TableName, TableVersion],
) -> CurrentAccess:
    """The policy (its functions put in) over these tables. Raises DefinitionErrors for rules in doubt."""
    if publication is None or not (policy.masks or policy.tags):
        return CurrentAccess(index(policy), lambda shape: shape)
    lineage = _lineage(policy.catalog, warehouse, publication, tables)
    policy = replace(policy, masks=(*policy.masks, *inherited_masks(policy, lineage)))
    effective = effective_tags(policy, lineage)

    def with_tags(shape: TableShape) -> TableShape:
        securable = table(policy.catalog, shape.name.schema, shape.name.name)
        tags = tags_of_table(effective, securable, [name for name, _ in shape.columns])
        return replace(shape, tags=tags, table_tags=container_tags(policy, lineage, securable))

    return CurrentAccess(index(policy), with_tags)


def _lineage(
    catalog: str,
    warehouse: DeltaWarehouse,
    publication: Publication,
    tables: Mapping[TableName, TableVersion],
) -> Lineage:
    made_by = {str(name): found.record.fingerprint for name, found in publication.tables.items()}
    rows = [row for row in warehouse.lineage.rows() if made_by.get(row["dataset"]) == row["fingerprint"]]
    with ThreadPoolExecutor(_CONCURRENT) as pool:
        found = dict(zip(tables, pool.map(lambda each: metadata_at(*each), tables.values()), strict=True))
    return lineage_of(
        rows,
        catalog,
        reads={str(name): list(found.record.reads) for name, found in publication.tables.items()},
        columns={
            str(name): [column["name"] for column in metadata.schema["fields"]]
            for name, metadata in found.items()
            if metadata is not None
        },
    )
