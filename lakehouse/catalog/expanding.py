"""The functions of a policy put into the expressions of its filters and masks."""

from __future__ import annotations

import re
from dataclasses import replace

from lakehouse.catalog.expression import expand
from lakehouse.catalog.policy import AccessPolicy
from lakehouse.errors import DefinitionError, DefinitionErrors, SourceLocation

_PLACE = re.compile(r"(.+):(\d+)")


def expanded(policy: AccessPolicy) -> AccessPolicy:
    """The policy with every call of one of its functions replaced by what the function says; once is enough.

    Raises UnknownName for a function that is not there and InvalidValue for one that cannot be put in, at the place
    of the filter or mask; DefinitionErrors with several.
    """
    problems: list[DefinitionError] = []

    def put_in(text: str, origin: str) -> str:
        try:
            return expand(text, policy.functions, policy.catalog, _place(origin))
        except DefinitionError as problem:
            problems.append(problem)
            return text

    for function in policy.functions.values():
        put_in(function.body, function.origin)
    found = replace(
        policy,
        row_filters=tuple(replace(each, condition=put_in(each.condition, each.origin)) for each in policy.row_filters),
        masks=tuple(replace(each, expression=put_in(each.expression, each.origin)) for each in policy.masks),
        tag_policies=tuple(
            replace(each, expression=put_in(each.expression, each.origin)) for each in policy.tag_policies
        ),
    )
    if problems:
        raise problems[0] if len(problems) == 1 else DefinitionErrors(problems)
    return found


def _place(origin: str) -> SourceLocation | None:
    match = _PLACE.fullmatch(origin)
    return SourceLocation(match[1], int(match[2])) if match else None
