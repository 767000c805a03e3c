"""Tag policies of access.yml."""

from __future__ import annotations

from lakehouse.catalog.access_document import TagPolicyModel
from lakehouse.catalog.expression import read_expression
from lakehouse.catalog.policy import TagPolicy, TagPolicyKind
from lakehouse.catalog.rule_reading import Reading
from lakehouse.catalog.securable import SecurableKind
from lakehouse.catalog.securable_names import read_securable
from lakehouse.catalog.tag_condition import read_tag_match
from lakehouse.errors import InvalidValue

_SCOPES = (SecurableKind.CATALOG, SecurableKind.SCHEMA, SecurableKind.TABLE)


def read_tag_policy(name: str, model: TagPolicyModel, reading: Reading) -> TagPolicy:
    """One entry of `policies`. Raises a DefinitionError."""
    document = reading.document
    path = ("policies", name)
    where = document.where(*path)
    if (model.mask is None) == (model.row_filter is None):
        raise InvalidValue(f"the policy '{name}' needs either 'mask' or 'row_filter'.", where=where)
    is_mask = model.mask is not None
    if is_mask and model.match is None:
        raise InvalidValue(f"the mask of '{name}' needs 'match', which columns it masks.", where=where)
    if not is_mask and model.match is not None:
        raise InvalidValue(
            "'match' goes with a mask; a row filter names its columns under 'columns'.",
            where=document.where(*path, "match"),
        )
    key = "mask" if is_mask else "row_filter"
    text = (model.mask if is_mask else model.row_filter) or ""
    scope = read_securable(model.on, reading.catalog, None, document.where(*path, "on"))
    if scope.kind not in _SCOPES:
        raise InvalidValue("a policy is on a catalog, schema or table.", where=document.where(*path, "on"))
    names = {short.lower(): short for short in model.columns}
    if len(names) != len(model.columns):
        raise InvalidValue("two of these names are one.", where=document.where(*path, "columns"))
    return TagPolicy(
        name=name.lower(),
        kind=TagPolicyKind.MASK if is_mask else TagPolicyKind.ROW_FILTER,
        scope=scope,
        expression=read_expression(text, f"'{key}' of '{name}'", document.text_where(*path, key)),
        on=read_tag_match(model.match, document.where(*path, "match")) if model.match is not None else None,
        matched={
            short: read_tag_match(model.columns[written], document.where(*path, "columns", written))
            for short, written in names.items()
        },
        table_tag=None if model.when is None else read_tag_match(model.when, document.where(*path, "when")),
        to=reading.principals(model.to, (*path, "to")),
        exempt=reading.exempt(model.except_, (*path, "except")),
        origin=str(where),
    )
