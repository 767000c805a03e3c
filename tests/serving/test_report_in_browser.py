"""The page of a report as its readers have it: on a phone, at night, by keyboard, without scripts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.serving.report_page import render_report
from tests.serving.browser import Browser, find_browser, open_browser
from tests.serving.made_up_report import HOSTILE, made_up

WIDTHS = (320, 360, 768, 1280)
OVERFLOWING = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Every element that holds text, with its colour and that of the ground it stands on.
COLOURS = """
[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && [...e.childNodes].some(
  n => n.nodeType === 3 && n.textContent.trim())).map(e => {
  let ground = e;
  const own = e.closest('svg') ? 'fill' : 'color';
  while (ground.parentElement && getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)')
    ground = ground.parentElement;
  return [e.textContent.trim().slice(0, 40), getComputedStyle(e)[own], getComputedStyle(ground).backgroundColor];
})
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        assert os.environ.get("LAKEHOUSE_TEST_BROWSER") != "required", "there is no Chromium"
        pytest.skip("there is no Chromium")
    with open_browser(program) as found:
        yield found


@pytest.fixture(scope="module", params=["", HOSTILE], ids=["plain", "hostile"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    file: Path = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(render_report(made_up(request.param)), encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_asks_for_nothing(browser: Browser, address: str, width: int, dark: bool) -> None:
    browser.open(address, width=width, dark=dark)
    assert browser.value(OVERFLOWING) <= 0
    assert browser.complaints() == []
    assert [request for request in browser.requests() if not request.startswith("data:")] == [address]
    assert not [event for event in browser.events if event["method"] == "Page.javascriptDialogOpening"]
    assert browser.value("document.querySelectorAll('main section').length") == 7


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read(browser: Browser, address: str, dark: bool) -> None:
    browser.open(address, width=1280, dark=dark)
    found = browser.value(COLOURS)
    assert len(found) > 100
    faint = [(text, round(contrast(ink, ground), 2)) for text, ink, ground in found if contrast(ink, ground) < 4.5]
    assert not faint
    assert (luminance(found[0][2]) < 0.1) is dark


def test_without_scripts_all_is_shown(browser: Browser, address: str) -> None:
    browser.open(address, width=360, script=False)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)  # what the page did not do stays undone
    assert browser.value("document.getElementById('filter').checkVisibility()") is False
    hidden = "[...document.querySelectorAll('[data-about]')].filter(e => !e.checkVisibility() && !e.closest('details'))"
    assert browser.value(f"{hidden}.length") == 0


def test_the_filter_narrows_and_a_link_widens(browser: Browser, address: str) -> None:
    browser.open(address, width=1280)
    shown = "[...document.querySelectorAll('#overview tbody tr')].filter(e => e.checkVisibility()).length"
    assert browser.value(shown) == 8
    browser.value("document.querySelector('#filter input').focus()")
    browser.call("Input.insertText", text="SILVER.orders")
    assert browser.value(shown) == 1
    assert browser.value("document.querySelector('#tables article[hidden]') !== null") is True
    gone = "document.querySelector('#graph a[href*=\"gold.revenue\"]')"
    moved = "new Promise(done => addEventListener('hashchange', () => setTimeout(() => done(true))))"
    browser.value(f"(() => {{ const done = {moved}; {gone}.dispatchEvent(new MouseEvent('click')); return done; }})()")
    assert browser.value(shown) == 8


def test_the_keyboard_reaches_the_graph(browser: Browser, address: str) -> None:
    browser.open(address, width=360)
    focused = "document.activeElement.closest('#graph') && document.activeElement.ariaLabel"
    reached: list[str] = []
    while len(reached) < 9:
        press(browser, "Tab", 9)
        if label := browser.value(focused):
            reached.append(label)
        assert browser.value("document.activeElement !== document.body"), "it went through the whole page"
    assert reached[0] == "Dataflow, scrolls sideways"
    assert len(set(reached)) == 9, "the region that scrolls, and each of the boxes"
    press(browser, "Enter", 13)
    target = "document.getElementById(decodeURIComponent(location.hash.slice(1))).querySelector('h3').textContent"
    assert browser.value(target).startswith(reached[-1])


def press(browser: Browser, key: str, code: int) -> None:
    """A key, down and up."""
    text = {"text": "\r"} if key == "Enter" else {}
    browser.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, **text)
    browser.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)


def test_what_these_tests_would_notice(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "bad.html"
    file.write_text(
        "<!DOCTYPE html><meta name=viewport content='width=device-width'><body><img src='other.png'>"
        "<p style='width: 900px; color: #888; background: #999'>wide and faint</p><script>boom()</script>"
    )
    browser.open(file.as_uri(), width=360)
    assert browser.value(OVERFLOWING) > 0
    assert len(browser.requests()) == 2
    assert any("boom" in complaint for complaint in browser.complaints())
    [(_, ink, ground)] = browser.value(COLOURS)[:1]
    assert contrast(ink, ground) < 4.5


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2, 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2 of an opaque `rgb(…)`; nothing behind the page is white."""
    if colour == "rgba(0, 0, 0, 0)":
        return 1.0
    parts = colour.removeprefix("rgb(").removesuffix(")").split(",")
    assert len(parts) == 3, colour
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (int(part) / 255 for part in parts)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
