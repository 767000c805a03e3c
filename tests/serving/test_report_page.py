"""The page of a report as text: all that is known is in it, escaped, and it refers to nothing outside."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote

import pytest

from lakehouse.graph.dataflow import build_graph
from lakehouse.serving.report_facts import Report
from lakehouse.serving.report_page import render_report, summary
from tests.serving.made_up_report import EDGES, HOSTILE, NOON, made_up

EMPTY = Report(
    project="empty",
    made_by="lakehouse",
    made_at=NOON,
    publication=None,
    published_at=None,
    tables=(),
    graph=build_graph({}),
)
ADDRESSES = {"src", "href", "xlink:href", "srcset", "action", "data", "poster"}
VOID = {"meta", "link", "input", "br", "img"}


class Page(HTMLParser):
    """Elements, their attributes and all text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module", params=["", HOSTILE], ids=["plain", "hostile"])
def mark(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def page(mark: str) -> Page:
    return Page(render_report(made_up(mark)))


def test_everything_is_told(page: Page, mark: str) -> None:
    expected = [
        *(f"{dataset}{mark}" for dataset in EDGES),
        f"column 'prize' does not exist{mark}",
        f"the column is gone{mark}",
        f"900{mark}",
        f"Ada{mark}",
        f"price{mark}",
        f"id IS NOT NULL{mark}",
        f"web{mark}",
        "32 of 10,000 records failed.",
        "2.444 large",
        "1 error, 1 failed, 2 passed",
        "1,234,567",
        "1 append, 1 keys, 1 aggregate",
    ]
    missing = [text for text in expected if text not in page.text]
    assert not missing


def test_a_hostile_text_makes_no_element(page: Page) -> None:
    assert page.open == []
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    plain = Page(render_report(made_up()))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]


def test_it_refers_to_nothing_outside(page: Page) -> None:
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for tag, attributes in page.elements:
        for name in ADDRESSES & attributes.keys():
            address = attributes[name]
            if tag == "link":
                assert address == "data:,"
                continue
            assert address.startswith("#"), f"<{tag} {name}={address}>"
            assert unquote(address[1:]) in ids
    style = (page.texts[position] for position, text in enumerate(page.texts) if "--ground" in text)
    assert not re.search(r"url\(|@import", next(style))


def test_its_policy_allows_its_own_script_and_style_only() -> None:
    text = render_report(made_up())
    [policy] = re.findall(r'Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#39;", "'").split("; "))
    assert rules["default-src"] == "'none'"
    for tag in ("script", "style"):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


def test_its_structure_can_be_walked(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.all(landmark)) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(page.all("table")) == len(page.all("caption")) > 5
    assert all(cell.get("scope") in {"col", "row"} for cell in page.all("th"))
    named = {"aria-label", "aria-labelledby"}
    assert all(named & picture.keys() for picture in page.all("svg"))
    labels = {label for _, attributes in page.elements if (label := attributes.get("aria-labelledby"))}
    assert labels <= set(ids)


def test_a_project_without_anything(mark: str) -> None:
    page = Page(render_report(replace(EMPTY, project=f"empty{mark}")))
    assert page.all("table") == []
    for text in (
        "declares no dataset",
        "Nothing was run yet",
        "No expectation was judged yet",
        "No row was quarantined",
    ):
        assert text in page.text


def test_the_first_look() -> None:
    assert {name: tone for name, _, tone in summary(made_up())} == {
        "last run": "bad",
        "publication": "",
        "datasets": "",
        "expectations": "bad",
        "drift": "warn",
    }
    good = replace(made_up(), expectations=made_up().expectations[:1], runs=made_up().runs[1:], profiles=())
    assert {name: (text, tone) for name, text, tone in summary(good)}["expectations"] == ("all 1 met", "good")


def test_the_same_report_is_the_same_page() -> None:
    assert render_report(made_up()) == render_report(made_up())
