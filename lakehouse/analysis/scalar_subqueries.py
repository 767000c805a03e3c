"""Uncorrelated scalar subqueries as joins: `x > (SELECT avg(y) …)` reads one row more, which changes like any other.

A subquery without rows is NULL in SQL, which is what a left join gives; one that may have several rows is left as it
is, and its node is not understood then.
"""

from __future__ import annotations

from typing import Any

from lakehouse.analysis.catalyst import elements, patterns_in


def lift_scalar_subqueries(plan: Any, jvm: Any) -> Any:
    """The plan with the scalar subqueries of its filters and projections as left joins on true."""
    children = [lift_scalar_subqueries(child, jvm) for child in elements(plan.children())]
    if children:
        plan = plan.withNewChildren(_seq(jvm, children))
    name = str(plan.nodeName())
    if name not in ("Filter", "Project") or not patterns_in(plan, "SCALAR_SUBQUERY"):
        return plan
    expressions = [plan.condition()] if name == "Filter" else elements(plan.projectList())
    joined: list[Any] = []
    replaced = [_replace(expression, joined, jvm) for expression in expressions]
    if not joined:
        return plan
    logical = jvm.org.apache.spark.sql.catalyst.plans.logical
    left_outer = getattr(getattr(jvm.org.apache.spark.sql.catalyst.plans, "LeftOuter$"), "MODULE$")
    no_hint = logical.JoinHint.NONE()
    below = plan.child()
    for subquery in joined:
        lifted = lift_scalar_subqueries(subquery, jvm)
        below = logical.Join(below, lifted, left_outer, jvm.scala.Option.empty(), no_hint)
    if name == "Project":
        return logical.Project(_seq(jvm, replaced), below)
    return logical.Project(plan.child().output(), logical.Filter(replaced[0], below))


def _replace(expression: Any, joined: list[Any], jvm: Any) -> Any:
    if not patterns_in(expression, "SCALAR_SUBQUERY"):
        return expression
    if str(expression.getClass().getSimpleName()) == "ScalarSubquery":
        subquery = expression.plan()
        rows = subquery.maxRows()
        is_single = bool(rows.isDefined()) and int(rows.get()) <= 1
        if not is_single or elements(expression.outerAttrs()):
            return expression
        joined.append(subquery)
        return elements(subquery.output())[0]
    children = [_replace(child, joined, jvm) for child in elements(expression.children())]
    return expression.withNewChildren(_seq(jvm, children))


def _seq(jvm: Any, items: Any) -> Any:
    java_list = jvm.java.util.ArrayList()
    for item in items:
        java_list.add(item)
    return jvm.PythonUtils.toSeq(java_list)
