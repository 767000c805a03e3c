"""Who belongs to what: nested groups, roles, boundaries by route, circles."""

from __future__ import annotations

from lakehouse.catalog.closure import check_directory, closure, memberships, route
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal, Role
from lakehouse.catalog.privilege import Privilege
from lakehouse.errors import DefinitionError, InvalidValue, UnknownName
from tests.catalog.access_words import bounded, group, role, service, user

ANA, ETL = user("ana"), service("etl")
INNER, OUTER = group("inner"), group("outer")
NESTED = Directory(
    users=frozenset({"ana", "bob"}),
    services=frozenset({"etl"}),
    groups={"inner": frozenset({ANA}), "outer": frozenset({INNER, role("reads")}), "all": frozenset({ACCOUNT_USERS})},
    roles={
        "reads": bounded("SELECT", "MODIFY", members=(INNER,)),
        "holds_reads": bounded("SELECT", "EXECUTE", members=(role("reads"),)),
        "free": Role(frozenset({ETL})),
    },
)


def full(directory: Directory, principal: Principal) -> set[str]:
    found = closure(memberships(directory), principal)
    assert found is not None
    return {str(each) for each in found.full}


def giving(privilege: Privilege, principal: Principal = ANA, roles: frozenset[str] | None = None) -> set[str]:
    found = closure(memberships(NESTED), principal, roles)
    assert found is not None
    return {str(each) for each in found.giving[privilege]}


def test_groups_and_roles_nest() -> None:
    everyone = {"group:account users", "group:all"}
    assert full(NESTED, ANA) == {"ana", "group:inner", "group:outer", "role:reads", "role:holds_reads", *everyone}
    assert full(NESTED, user("bob")) == {"bob", *everyone}
    assert full(NESTED, ETL) == {"etl", "role:free", *everyone}


def test_an_unknown_principal_has_no_closure() -> None:
    for unknown in (user("eve"), group("nobody"), user("etl"), role("inner")):
        assert closure(memberships(NESTED), unknown) is None


def test_a_group_gives_its_own_and_bears_what_restricts_everyone() -> None:
    found = closure(memberships(NESTED), INNER)
    assert found is not None
    assert ACCOUNT_USERS in found.full
    assert ACCOUNT_USERS not in found.giving[Privilege.SELECT]
    assert OUTER in found.giving[Privilege.SELECT]


def test_boundaries_on_one_route_intersect() -> None:
    plain = {"ana", "group:inner", "group:outer", "group:account users", "group:all"}
    assert giving(Privilege.SELECT) == {*plain, "role:reads", "role:holds_reads"}
    assert giving(Privilege.MODIFY) == {*plain, "role:reads"}
    assert giving(Privilege.EXECUTE) == plain


def test_of_several_routes_each_gives() -> None:
    """`outer` is reached through the bounded role and beside it: what the role leaves out comes by the other way."""
    through_role_alone = Directory(
        users=NESTED.users,
        groups={"inner": frozenset({ANA}), "outer": frozenset({role("reads")})},
        roles={"reads": bounded("SELECT", members=(INNER,))},
    )
    found = closure(memberships(through_role_alone), ANA)
    assert found is not None
    assert OUTER in found.giving[Privilege.SELECT]
    assert OUTER not in found.giving[Privilege.MODIFY]
    assert "group:outer" in giving(Privilege.EXECUTE)


def test_a_boundary_of_all_privileges_is_what_that_grants() -> None:
    wide = Directory(users=NESTED.users, roles={"wide": bounded("ALL PRIVILEGES", members=(ANA,))})
    found = closure(memberships(wide), ANA)
    assert found is not None
    inside = {privilege for privilege in Privilege if role("wide") in found.giving[privilege]}
    assert set(Privilege) - inside == {Privilege.MANAGE, Privilege.EXTERNAL_USE_SCHEMA}


def test_an_empty_boundary_gives_nothing() -> None:
    closed = Directory(users=NESTED.users, roles={"closed": bounded(members=(ANA,))})
    found = closure(memberships(closed), ANA)
    assert found is not None
    assert all(role("closed") not in found.giving[privilege] for privilege in Privilege)


def test_set_role() -> None:
    assert giving(Privilege.SELECT, roles=frozenset({"READS"})) == {
        "role:reads", "role:holds_reads", "group:outer", "group:account users"
    }  # fmt: skip
    assert giving(Privilege.EXECUTE, roles=frozenset({"holds_reads"})) == {"group:account users"}
    assert giving(Privilege.SELECT, roles=frozenset({"free"})) == {"group:account users"}
    assert giving(Privilege.SELECT, roles=frozenset()) == {"group:account users"}


def test_a_route_avoids_what_gives_nothing() -> None:
    members = memberships(NESTED)
    reads = role("reads")
    assert route(members, ANA, reads, privilege=Privilege.SELECT) == (ANA, INNER, reads)
    assert route(members, ANA, reads, privilege=Privilege.EXECUTE) == (ANA, INNER, reads)  # nothing else leads there
    assert route(members, ANA, OUTER, privilege=Privilege.EXECUTE) == (ANA, INNER, OUTER)
    assert route(members, ANA, ANA, privilege=Privilege.SELECT) == (ANA,)
    assert route(members, ANA, role("free"), privilege=Privilege.SELECT) == ()


def found_in(directory: Directory) -> list[type[DefinitionError]]:
    return [type(problem) for problem in check_directory(directory)]


def test_a_good_directory_has_no_problems() -> None:
    assert found_in(NESTED) == []
    assert found_in(Directory()) == []


def test_circles_are_found_once() -> None:
    itself = Directory(groups={"a": frozenset({group("a")})})
    long = Directory(
        groups={"a": frozenset({group("b")}), "b": frozenset({role("c")})}, roles={"c": Role(frozenset({group("a")}))}
    )
    everyone = Directory(groups={"a": frozenset({group("b"), ACCOUNT_USERS}), "b": frozenset({group("a")})})
    for directory in (itself, long, everyone):
        assert found_in(directory) == [InvalidValue]


def test_a_diamond_is_no_circle() -> None:
    diamond = Directory(
        users=frozenset({"ana"}),
        groups={
            "top": frozenset({group("left"), group("right")}),
            "left": frozenset({group("bottom")}),
            "right": frozenset({group("bottom")}),
            "bottom": frozenset({ANA}),
        },
    )
    assert found_in(diamond) == []


def test_deep_nesting_needs_no_stack() -> None:
    line = {f"g{number}": frozenset({group(f"g{number - 1}")}) for number in range(1, 5000)}
    deep = Directory(users=frozenset({"ana"}), groups={"g0": frozenset({ANA}), **line})
    assert found_in(deep) == []
    assert len(full(deep, ANA)) == 5002
    circle = Directory(groups={**line, "g0": frozenset({group("g4999")})})
    assert found_in(circle) == [InvalidValue]


def test_unknown_members_and_names_used_twice() -> None:
    assert found_in(Directory(groups={"a": frozenset({user("eve")})})) == [UnknownName]
    assert found_in(Directory(users=frozenset({"ana"}), roles={"r": Role(frozenset({service("ana")}))})) == [
        UnknownName
    ]
    assert found_in(Directory(users=frozenset({"x"}), groups={"x": frozenset()})) == [InvalidValue]
    assert found_in(Directory(users=frozenset({"Ana"}))) == [InvalidValue]
    assert found_in(Directory(groups={"account users": frozenset()})) == [InvalidValue]
