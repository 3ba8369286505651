"""The page of a comparison in a real browser, opened from disk."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chords_cli.ui.page.page import render
from tests.doubles.comparisons import ARMS, SCRIPT, made_up
from tests.waiting import HANG

pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

if TYPE_CHECKING:
    from selenium import webdriver

REQUEST = "Network.requestWillBeSent"

CROWD = (
    *("sequential", "few-steps", "few-steps steps=9", "chords cores=8", "chords stop_index=2"),
    *("wavefront cores=2 rounds=40 guidance=12.5", "wavefront model=a-preset-with-a-long-name"),
)
LONG = ("a-word-that-does-not-end-" * 20, "a fox that jumps over a lazy dog, " * 20)

Open = Callable[..., None]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages on disk; the first prompt of each is a script."""
    folder = tmp_path_factory.mktemp("pages")
    made = {kind: folder / f"{kind}.html" for kind in ("image", "video")}
    for kind, path in made.items():
        path.write_text(render(*made_up(kind, SCRIPT, "a dog")))
    made["crowd"] = folder / "crowd.html"
    made["crowd"].write_text(render(*made_up("image", *LONG, arms=CROWD, reference=CROWD[3])))
    return made


@pytest.fixture
def visit(browser: "webdriver.Chrome", pages: dict[str, Path]) -> Iterator[Open]:
    """Opens a page; afterwards nothing may have complained and nothing may have been asked for."""

    def go(kind: str, *, width: int = 1200, scheme: str = "light") -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(pages[kind].as_uri())

    browser.get_log("browser")
    browser.get_log("performance")
    yield go
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == REQUEST]
    assert asked
    assert all(url.startswith(("file:///", "data:", "about:")) for url in asked)
    assert {url for url in asked if url.startswith("file:")} <= {
        path.as_uri() for path in pages.values()
    }


def style(browser: "webdriver.Chrome", element: str, name: str) -> str:
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    return browser.execute_script(script, element, name)


def until(browser: "webdriver.Chrome", script: str) -> None:
    WebDriverWait(browser, HANG).until(lambda _: browser.execute_script(f"return {script}"))


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_prompt_that_is_a_script_is_shown_as_text(kind: str, browser, visit: Open) -> None:
    visit(kind)
    shown = browser.find_element(By.CSS_SELECTOR, ".take .prompt").text
    assert shown.startswith(SCRIPT)
    assert browser.find_element(By.ID, "command").text.count(SCRIPT) == 1


def test_the_slider_follows_the_pointer(browser, visit: Open) -> None:
    visit("image")
    until(browser, "document.querySelector('#stage').offsetWidth > 100")
    divider = browser.find_element(By.ID, "divider")
    before = style(browser, "#layer-left", "clipPath")
    quarter = divider.size["width"] // 4
    ActionChains(browser).move_to_element(divider).click_and_hold().move_by_offset(
        -quarter, 0
    ).release().perform()
    assert before == "inset(0px 50% 0px 0px)"
    assert float(divider.get_property("value")) == pytest.approx(25, abs=2)
    clip = style(browser, "#layer-left", "clipPath")
    assert float(clip.split()[1].removesuffix("%")) == pytest.approx(75, abs=2)


def test_any_two_results_can_be_laid_over_each_other(browser, visit: Open) -> None:
    visit("image")
    for side, arm in (("left", "few-steps"), ("right", "sequential"), ("right", "few-steps")):
        Select(browser.find_element(By.ID, side)).select_by_visible_text(arm)
        assert browser.find_element(By.ID, f"tag-{side}").text == arm
        assert browser.execute_script(
            "return document.querySelector(`#layer-${arguments[0]} img`).src === "
            "document.querySelector(`.take:not([hidden]) [data-arm='${arguments[1]}']`).src",
            side,
            arm,
        )


def test_differences_can_be_amplified(browser, visit: Open) -> None:
    visit("image")
    browser.find_element(By.CSS_SELECTOR, "input[value=difference]").click()
    assert style(browser, "#layer-left", "mixBlendMode") == "difference"
    assert style(browser, "#stage", "filter") == "brightness(8)"
    browser.find_element(By.CSS_SELECTOR, "input[value=slide]").click()
    assert style(browser, "#stage", "filter") == "none"


def test_another_prompt_shows_its_own_results(browser, visit: Open) -> None:
    visit("image")
    Select(browser.find_element(By.ID, "take")).select_by_value("2")
    shown = [take.is_displayed() for take in browser.find_elements(By.CLASS_NAME, "take")]
    assert shown == [False, True]


def test_videos_play_together_and_stop_together(browser, visit: Open) -> None:
    visit("video")
    videos = "[...document.querySelectorAll('.take:not([hidden]) video, .stage video')]"
    until(browser, f"{videos}.every(v => v.readyState >= 2)")
    browser.find_element(By.ID, "play").click()
    until(browser, f"{videos}.every(v => v.currentTime > 0.2)")
    browser.find_element(By.ID, "play").click()
    assert browser.execute_script(f"return {videos}.every(v => v.paused)")
    assert browser.execute_script(f"return {videos}.length") == len(ARMS) + 2


def test_seeking_moves_every_video(browser, visit: Open) -> None:
    visit("video")
    videos = "[...document.querySelectorAll('.take:not([hidden]) video, .stage video')]"
    until(browser, f"{videos}.every(v => v.readyState >= 2)")
    browser.execute_script(
        "const seek = document.getElementById('seek'); seek.value = 0.5;"
        "seek.dispatchEvent(new Event('input'))"
    )
    until(browser, f"{videos}.every(v => Math.abs(v.currentTime - v.duration / 2) < 0.1)")


WIDE = """
return [...document.querySelectorAll("body *")].filter(one =>
  !one.closest(".hush") && one.getClientRects().length && (
    one.getBoundingClientRect().right > innerWidth + 0.5 ||
    (one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== "visible")
)).map(one => one.outerHTML.slice(0, 120))
"""
"""What does not fit the window, or has to be scrolled sideways."""


@pytest.mark.parametrize("kind", ["image", "video", "crowd"])
@pytest.mark.parametrize("width", [360, 400, 800, 1400])
def test_nothing_is_cut_off_or_scrolls_sideways(kind: str, width: int, browser, visit) -> None:
    visit(kind, width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(WIDE) == []


def test_numbers_are_named_however_they_are_laid_out(browser, visit: Open) -> None:
    shapes = []
    for kind, width in (("image", 1400), ("image", 800), ("crowd", 400)):
        visit(kind, width=width)
        shapes += browser.find_element(By.ID, "numbers").get_attribute("class").split()[1:] or [""]
        shown = browser.find_elements(By.CSS_SELECTOR, "thead th:not(:first-child)")
        names = [one.text for one in shown if one.is_displayed()] or browser.execute_script(
            "return [...document.querySelectorAll('tbody tr:first-child td')].map("
            "cell => getComputedStyle(cell, '::before').content.replaceAll('\"', ''))"
        )
        assert names[:4] == ["in a row", "devices", "NFE", "encode"]
        assert names[7:10] == ["measured", "ideal", "of ideal"]
        assert len(names) == len(browser.find_elements(By.CSS_SELECTOR, "tbody tr:first-child td"))
    assert shapes == ["", "turned", "stacked"]


@pytest.mark.parametrize("width", [400, 1400])
def test_the_measured_speedup_is_as_large_as_the_ideal_one(width, browser, visit: Open) -> None:
    visit("image", width=width)
    (*_, last) = browser.find_elements(By.CLASS_NAME, "card")
    measured, ideal = last.find_elements(By.CLASS_NAME, "big")
    assert (measured.text.split(), ideal.text.split()) == (
        ["2.00\u00d7", "measured"],
        ["2.50\u00d7", "ideal"],
    )
    sizes = {one.value_of_css_property("font-size") for one in (measured, ideal)}
    colours = {one.value_of_css_property("color") for one in (measured, ideal)}
    assert len(sizes) == len(colours) == 1


def test_the_slider_opens_on_the_default_algorithm(browser, visit: Open) -> None:
    visit("image")
    shown = [browser.find_element(By.ID, f"tag-{side}").text for side in ("left", "right")]
    assert shown == ["sequential", "wavefront"]
    visit("crowd")
    shown = [browser.find_element(By.ID, f"tag-{side}").text for side in ("left", "right")]
    assert shown == ["chords cores=8", "wavefront cores=2 rounds=40 guidance=12.5"]


def test_the_page_is_dark_where_the_reader_wants_it_dark(browser, visit: Open) -> None:
    lightness = {}
    for scheme in ("light", "dark"):
        visit("image", scheme=scheme)
        color = style(browser, "body", "backgroundColor")
        lightness[scheme] = sum(map(int, color.removeprefix("rgb(").removesuffix(")").split(",")))
    assert lightness["light"] > 700
    assert lightness["dark"] < 100


def test_every_lane_of_the_timeline_is_drawn(browser, visit: Open) -> None:
    visit("image")
    widths = browser.execute_script(
        "return [...document.querySelectorAll('.lanes rect')].map(r => r.getBBox().width)"
    )
    assert len(widths) == 4 * (1 + 1 + 4 + 4)
    assert min(widths) > 0


def test_numbers_of_the_timeline_are_told_where_nothing_can_point(browser, visit: Open) -> None:
    visit("image", width=400)
    (first, *_) = browser.find_elements(By.CLASS_NAME, "timeline")
    first.find_element(By.CSS_SELECTOR, "rect.compute").click()
    told = first.find_element(By.CLASS_NAME, "told")
    assert told.text.startswith("core 0 computing, step ")
    assert told.text.endswith(" s")


@pytest.mark.parametrize(("kind", "shape"), [("image", "turned"), ("crowd", "stacked")])
def test_all_numbers_and_prompts_are_on_paper(kind, shape, browser, visit: Open) -> None:
    visit(kind)
    numbers = browser.find_element(By.ID, "numbers")
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert numbers.get_attribute("class").split() == ["numbers", shape]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    size = {"width": 660, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 660
    assert all(take.is_displayed() for take in browser.find_elements(By.CLASS_NAME, "take"))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")


@pytest.mark.parametrize("width", [400, 800, 1400])
def test_the_numbers_are_a_table_for_screen_readers_however_laid_out(width, browser, visit) -> None:
    visit("image", width=width)
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [node["role"]["value"] for node in tree if not node["ignored"]]
    assert roles.count("table") == 1
    assert roles.count("rowheader") == len(ARMS)
    assert roles.count("cell") == len(ARMS) * 15


def test_controls_say_where_they_are(browser, visit: Open) -> None:
    visit("image")
    divider = browser.find_element(By.ID, "divider")
    assert divider.get_attribute("aria-valuetext") == "50% sequential, then wavefront"
    Select(browser.find_element(By.ID, "right")).select_by_visible_text("chords")
    assert divider.get_attribute("aria-valuetext") == "50% sequential, then chords"
    visit("video")
    play = browser.find_element(By.ID, "play")
    names = [play.accessible_name]
    play.click()
    assert [*names, play.accessible_name] == ["Play all", "Pause all"]
    play.click()
