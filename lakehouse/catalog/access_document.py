"""The shape of access.yml: its keys and what may stand under them.

No key may be left without a value: a file that ends in the middle must never mean the default.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lakehouse.definition.strict_model import StrictModel, Texts, Words

Grants = dict[str, list[Any]]  # who -> privileges, each a text or {SELECT: {columns: […]}}


def _given(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("nothing_given", "expected a value")
    return value


def _short(value: Any) -> Any:
    return {"using": value} if isinstance(value, str) else value


def _several(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


GIVEN = BeforeValidator(_given)  # a key that may be left out, but not left empty


class UserModel(StrictModel):
    """A user; with `service` a service principal."""

    service: bool = False


class RoleModel(StrictModel):
    """A role, who holds it, and the most that it may ever give."""

    members: list[str] = Field(default_factory=list)
    boundary: Annotated[list[str] | None, GIVEN] = None


class PrincipalsModel(StrictModel):
    """Who there is."""

    users: dict[str, UserModel] = Field(default_factory=dict)
    groups: dict[str, list[str]] = Field(default_factory=dict)
    roles: dict[str, RoleModel] = Field(default_factory=dict)


class MetastoreModel(StrictModel):
    """The metastore admin."""

    owner: str


class RuledModel(StrictModel):
    """Any securable."""

    owner: Annotated[str | None, GIVEN] = None
    grants: Grants = Field(default_factory=dict)
    deny: Grants = Field(default_factory=dict)


class FunctionModel(RuledModel):
    """A function for filters and masks. A parameter is a name, with or without a type after it."""

    parameters: list[str] = Field(default_factory=list)
    returns: Annotated[str | None, GIVEN] = None
    body: str


class MaskModel(StrictModel):
    """What readers see in place of a column."""

    using: str
    to: Annotated[Words | None, GIVEN] = None
    except_: Annotated[Words | None, GIVEN] = Field(alias="except", default=None)


class RowFilterModel(StrictModel):
    """Which rows readers see."""

    using: str
    name: Annotated[str | None, GIVEN] = None
    to: Annotated[Words | None, GIVEN] = None
    except_: Annotated[Words | None, GIVEN] = Field(alias="except", default=None)


class ColumnModel(StrictModel):
    """What is said of a column."""

    tags: Texts = Field(default_factory=dict)
    mask: Annotated[MaskModel | None, BeforeValidator(_short), GIVEN] = None
    declassify: Annotated[str | None, GIVEN] = Field(default=None, min_length=1)


class SecurableModel(RuledModel):
    """The metastore, the catalog, a schema or a table."""

    tags: Texts = Field(default_factory=dict)
    declassify: Annotated[str | None, GIVEN] = Field(default=None, min_length=1)
    columns: dict[str, ColumnModel] = Field(default_factory=dict)
    row_filter: Annotated[list[RowFilterModel], BeforeValidator(_several)] = Field(default_factory=list)


class TagPolicyModel(StrictModel):
    """A mask or row filter for all tables under a securable that have matching columns."""

    on: str
    mask: Annotated[str | None, GIVEN] = None
    row_filter: Annotated[str | None, GIVEN] = None
    match: Annotated[str | None, GIVEN] = None
    columns: dict[str, str] = Field(default_factory=dict)
    when: Annotated[str | None, GIVEN] = None
    to: Annotated[Words | None, GIVEN] = None
    except_: Annotated[Words | None, GIVEN] = Field(alias="except", default=None)


class AccessTestModel(StrictModel):
    """A line of `access_tests`."""

    as_: str = Field(alias="as")
    can: Annotated[str | None, GIVEN] = None
    cannot: Annotated[str | None, GIVEN] = None
    on: Annotated[str | None, GIVEN] = None
    query: Annotated[str | None, GIVEN] = None
    matches: dict[str, str] = Field(default_factory=dict)
    rows: Annotated[int | None, GIVEN] = Field(default=None, ge=0)


class AccessModel(StrictModel):
    """All of access.yml."""

    principals: PrincipalsModel = Field(default_factory=PrincipalsModel)
    run_as: Annotated[str | None, GIVEN] = None
    metastore: Annotated[MetastoreModel | None, GIVEN] = None
    functions: dict[str, FunctionModel] = Field(default_factory=dict)
    pipelines: dict[str, RuledModel] = Field(default_factory=dict)
    securables: dict[str, SecurableModel] = Field(default_factory=dict)
    policies: dict[str, TagPolicyModel] = Field(default_factory=dict)
    access_tests: list[AccessTestModel] = Field(default_factory=list)
