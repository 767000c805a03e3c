"""Where a project's tables lie."""

from __future__ import annotations

from lakehouse.definition.dataset import ExternalTable
from lakehouse.definition.project import Project, ProjectSpec
from lakehouse.names import TableName, quarantine_name


def locate(project: Project, name: TableName) -> str:
    """The absolute folder or URI of a declared table: `<warehouse>/<schema>/<table>`, or where an external one is
    declared to be."""
    dataset = project.by_name.get(name)
    if isinstance(dataset, ExternalTable):
        return dataset.path if "://" in dataset.path else str((project.spec.root / dataset.path).resolve())
    return f"{project.spec.warehouse}/{name.schema}/{name.name}"


def locate_state(spec: ProjectSpec, name: TableName) -> str:
    """Where the sums and counts of a view that is maintained from them are kept."""
    return f"{spec.warehouse}/system/state/{name.schema}/{name.name}"


def locate_quarantine(spec: ProjectSpec, name: TableName) -> str:
    """Where the rows lie that a dataset's expectations set aside."""
    quarantined = quarantine_name(name)
    return f"{spec.warehouse}/{quarantined.schema}/{quarantined.name}"
