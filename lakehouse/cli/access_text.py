"""Decisions about access as people read them."""

from __future__ import annotations

from lakehouse.cli.screen import Column, Screen
from lakehouse.serving.access_explanation import AccessExplanation

_STEPS = (
    Column(key="did", title="did", folds=True),
    Column(key="step", title="step"),
    Column(key="privilege", title="privilege"),
    Column(key="securable", title="on", folds=True),
    Column(key="route", title="to", folds=True),
    Column(key="origin", title="where"),
    Column(key="detail", title="detail", folds=True, wide=True),
)
_SEEN = (
    Column(key="column", title="column"),
    Column(key="shown", title="shown"),
    Column(key="as", title="as", folds=True),
    Column(key="by", title="by", folds=True),
    Column(key="origin", title="where", folds=True),
)
_FILTERS = (
    Column(key="filter", title="row filter", folds=True),
    Column(key="condition", title="rows where", folds=True),
    Column(key="origin", title="where"),
)
GRANTS = (
    Column(key="effect", title="effect"),
    Column(key="principal", title="principal", folds=True),
    Column(key="privilege", title="privilege"),
    Column(key="securable", title="on", folds=True),
    Column(key="columns", title="columns", folds=True),
    Column(key="origin", title="where"),
)


def show_explanation(found: AccessExplanation, screen: Screen) -> None:
    """The decision, its steps, and of a table what is seen of it."""
    decision = found.decision
    screen.event(
        "decision",
        principal=str(found.principal),
        privilege=found.privilege.value,
        securable=str(found.securable),
        allowed=decision.allowed,
        reason=decision.reason.value,
        visible=decision.visible,
    )
    word = "may" if decision.allowed else "may not"
    screen.say(
        f"{found.principal} {word} {found.privilege.value} on {found.securable}: {decision.reason.value}.",
        "green" if decision.allowed else "red",
    )
    if not decision.allowed and not decision.visible:
        screen.say("It may not even know that it exists: to it, it looks like a name that nothing has.")
    for step in found.steps():
        screen.event("step", **step)
    screen.table(_STEPS, found.steps())
    for row_filter in found.filters():
        screen.event("row_filter", **row_filter)
    for column in found.seen():
        screen.event("column", **column)
    for tag in found.tags:
        screen.event("tag", text=tag)
    if decision.allowed and found.table is not None:
        screen.say()
        screen.table(_FILTERS, found.filters())
        screen.table(_SEEN, found.seen())
        if found.tags:
            screen.say("tags")
        for tag in found.tags:
            screen.say(f"  {tag}")
    for flow in found.unfiltered:
        text = f"{flow.target} is made of {flow.source} and has no row filter; '{flow.row_filter}' is not inherited"
        screen.event("notice", text=text, about=str(flow.target))
        screen.say(f"note: {text}.")
