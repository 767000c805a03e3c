"""Rules with what follows from lineage: tags and masks that came along from the tables that a table is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lakehouse.catalog.compiled_policy import CompiledPolicy, index
from lakehouse.catalog.lineage import Lineage, lineage_of
from lakehouse.catalog.policy import AccessPolicy, TableShape, Tagged
from lakehouse.catalog.securable import table
from lakehouse.catalog.tag_inheritance import (
    InheritedTag,
    container_tags,
    effective_tags,
    inherited_masks,
    tags_of_table,
)
from lakehouse.plan.records import Publication


@dataclass(frozen=True, slots=True)
class InheritedRules:
    """The rules, indexed, inherited masks among them; `with_tags` gives a table's shape its own and inherited tags."""

    compiled: CompiledPolicy
    lineage: Lineage
    effective: Mapping[Tagged, Mapping[str, InheritedTag]] = field(default_factory=dict)

    def with_tags(self, shape: TableShape) -> TableShape:
        """The shape with all tags that its columns and the table have."""
        policy = self.compiled.policy
        securable = table(policy.catalog, shape.name.schema, shape.name.name)
        columns = tags_of_table(self.effective, securable, [name for name, _ in shape.columns])
        return replace(shape, tags=columns, table_tags=container_tags(policy, self.lineage, securable))


def inherited_rules(policy: AccessPolicy, lineage: Lineage) -> InheritedRules:
    """The rules of a policy (functions put in), and what follows from them along the lineage."""
    inherited = inherited_masks(policy, lineage)
    compiled = index(replace(policy, masks=(*policy.masks, *inherited)))
    return InheritedRules(compiled, lineage, effective_tags(policy, lineage))


def published_lineage(
    publication: Publication,
    rows: Iterable[Mapping[str, Any]],
    catalog: str,
    columns: Mapping[str, Collection[str]] | None = None,
) -> Lineage:
    """The lineage of the published tables from rows of `system/lineage`: of every table those of the definition that
    it was computed by. `columns` are those of each table, as far as they are known."""
    made_by = {str(name): found.record.fingerprint for name, found in publication.tables.items()}
    own = [row for row in rows if made_by.get(row["dataset"]) == row["fingerprint"]]
    reads = {str(name): tuple(found.record.reads) for name, found in publication.tables.items()}
    return lineage_of(own, catalog, reads=reads, columns=columns)
