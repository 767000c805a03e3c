"""What is decided about access, as values: allowed or not, why, and the rules that decided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lakehouse.catalog.principal import Principal
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import Securable


class Reason(str, Enum):
    """Why a decision falls as it does. The first four allow, all others refuse."""

    GRANTED = "granted"
    OWNER = "owner"
    OWNER_ABOVE = "owner of a container"  # MANAGE only
    ADMIN = "metastore admin"  # MANAGE only
    DENIED = "denied"
    GATE = "a container does not give its USE privilege"
    NARROWED = "a role boundary or SET ROLE leaves it out"
    NOT_GRANTED = "not granted"
    UNKNOWN_PRINCIPAL = "unknown principal"
    RESTRICTED = "a filter, mask or hidden column applies"  # MODIFY, EXTERNAL USE SCHEMA
    NO_COLUMN = "no column is left"
    MASK_CONFLICT = "two different masks on one column"
    AMBIGUOUS_MATCH = "a policy's name matches several columns"
    MISSING_COLUMN = "a policy names a column that the table does not have"


class StepKind(str, Enum):
    """What a step of a trace is about."""

    GRANT = "grant"
    DENY = "deny"
    GATE = "gate"
    OWNER = "owner"
    ADMIN = "admin"
    POLICY = "policy"  # a row filter, mask or tag policy


class Effectiveness(str, Enum):
    """What a step did to the decision."""

    ALLOWS = "allows"
    REFUSES = "refuses"
    NARROWED = "gives nothing: narrowed by a role boundary or SET ROLE"
    IGNORED = "ignored"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One rule, gate, owner or policy and what it did. `route` leads from who asks to `principal`, both included; only
    `explain` fills it in. `detail` names what has no field: a policy, columns."""

    kind: StepKind
    did: Effectiveness
    privilege: Privilege
    securable: Securable
    principal: Principal | None = None
    origin: str = ""
    route: tuple[Principal, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or refused, with the step that decided. As a truth value: whether it is allowed.

    `visible`: whether the principal may know that the securable exists; if not, a refusal must look exactly like the
    answer about a securable that does not exist. Reason and trace are for who may see the rules, not for the refused.
    """

    allowed: bool
    reason: Reason
    trace: tuple[TraceStep, ...]
    visible: bool

    def __bool__(self) -> bool:
        return self.allowed
