"""Lines of `access_tests` in access.yml."""

from __future__ import annotations

import re

from lakehouse.catalog.access_document import AccessTestModel
from lakehouse.catalog.directory_reading import read_principal
from lakehouse.catalog.policy import AccessTest
from lakehouse.catalog.privilege_scope import read_privilege
from lakehouse.catalog.rule_reading import Reading
from lakehouse.catalog.securable_names import read_securable
from lakehouse.errors import InvalidValue


def read_access_test(index: int, model: AccessTestModel, reading: Reading) -> AccessTest:
    """One entry of `access_tests`. Raises a DefinitionError."""
    path = ("access_tests", index)
    where = reading.document.where(*path)
    principal = read_principal(model.as_, reading.directory, where)
    asked = [key for key in ("can", "cannot", "query") if getattr(model, key) is not None]
    if len(asked) != 1:
        raise InvalidValue("an access test asks one of 'can', 'cannot' and 'query'.", where=where)
    if model.query is not None:
        if model.on is not None:
            raise InvalidValue("'on' goes with 'can' and 'cannot'; a query names its tables.", where=where)
        if not model.query.strip():
            raise InvalidValue("the query is empty.", where=where)
        for column, pattern in model.matches.items():
            try:
                re.compile(pattern)
            except re.error:
                place = reading.document.where(*path, "matches", column)
                raise InvalidValue(f"'{pattern}' is not a regular expression.", where=place) from None
        return AccessTest(
            principal=principal, query=model.query, matches=dict(model.matches), rows=model.rows, origin=str(where)
        )
    if model.on is None or model.matches or model.rows is not None:
        raise InvalidValue(f"'{asked[0]}' needs 'on', and nothing besides.", where=where)
    return AccessTest(
        principal=principal,
        allowed=asked == ["can"],
        privilege=read_privilege(model.can or model.cannot or "", where),
        securable=read_securable(model.on, reading.catalog, None, where),
        origin=str(where),
    )
