import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from chords_cli.ui.page.page import render
from tests.doubles.comparisons import ARMS, SCRIPT, made_up

PROMPT = f'{SCRIPT} a "cat" & it\'s 100% {{{{ 7 * 7 }}}}'


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag, name):
        return [attributes[name] for found, attributes in self.tags if found == tag]


@pytest.fixture(scope="module")
def page():
    return render(*made_up("image", PROMPT, "a dog"))


def test_a_prompt_is_text_whatever_it_holds(page):
    assert html.escape(PROMPT).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
    assert SCRIPT not in page
    assert PROMPT in Page(page).text
    assert len([tag for tag, _ in Page(page).tags if tag == "script"]) == 1


def test_the_page_opens_with_the_answer_if_there_is_one(page):
    assert "buy beyond" not in Page(page).text
    record, files = made_up("image", "a cat")
    record = record.model_copy(update={"answer": "What do 4 devices buy beyond one? <Much>."})
    told = Page(render(record, files)).text
    assert told.index("What do 4 devices buy beyond one? <Much>.") < told.index("4 ways to make")


def test_every_row_of_the_numbers_tells_evaluations_in_a_row_and_devices(page):
    names = Page(page).all("td", "data-name")
    row = ["in a row", "devices", "NFE", "encode", "sample", "decode", "total", "measured"]
    assert names[: len(row)] == row
    for name in ("in a row", "devices", "sample", "RMSE", "PSNR", "SSIM"):
        assert names.count(name) == len(ARMS)


def test_every_picture_is_in_the_page_itself(page):
    record, files = made_up("image", PROMPT, "a dog")
    sources = Page(page).all("img", "src")
    shown = {base64.b64decode(source.removeprefix("data:image/png;base64,")) for source in sources}
    differences = {
        files[f"difference {number} {arm}"]
        for number in (1, 2)
        for arm in ARMS
        if arm != "sequential"
    }
    pictures = {files[r.picture] for sample in record.samples for r in sample.results}
    assert shown == pictures | differences


def test_the_page_names_nothing_outside_of_itself(page):
    named = [
        value
        for tag, attributes in Page(page).tags
        for name, value in attributes.items()
        if name in ("src", "href", "poster", "action", "data")
    ]
    assert all(value.startswith("data:") for value in named)
    assert not re.search(r"https?://|@import", page)
    (policy,) = (a["content"] for t, a in Page(page).tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:; media-src data:;")


def test_videos_are_in_the_page_with_their_first_frames():
    parsed = Page(render(*made_up("video", "a cat")))
    assert all(source.startswith("data:video/mp4;base64,") for source in parsed.all("video", "src"))
    assert len(parsed.all("video", "poster")) == len(ARMS)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_everything_to_look_at_has_words_for_those_who_cannot_see_it(kind):
    parsed = Page(render(*made_up(kind, PROMPT, "a dog")))
    words = parsed.all("img", "alt")
    shown = parsed.all("video", "aria-label") if kind == "video" else words
    for number, arm in enumerate(ARMS):
        assert f"{arm}: {PROMPT}" in shown
        assert f"{arm}: a dog" in shown
        assert number == 0 or words.count(f"difference of {arm} to sequential") == 2
    labels = [a["aria-label"] for tag, a in parsed.tags if tag == "svg" and "role" in a]
    assert labels[0].startswith("Timeline of sequential, 1 core: output 1 after 21 rounds, ")
    assert labels[0].endswith(", the result")


def test_headings_go_down_by_one_level_and_cells_have_headers(page):
    levels = [int(tag[1]) for tag, _ in Page(page).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(lower <= upper + 1 for upper, lower in pairwise(levels))
    cells = [(tag, a) for tag, a in Page(page).tags if tag in ("th", "td")]
    assert {a["scope"] for tag, a in cells if tag == "th"} == {"col", "row"}
    assert all("role" in a for _, a in cells)


def test_a_number_that_an_arm_lacks_moves_no_other(page):
    record, files = made_up("image", "a cat")
    lacking = record.arms[1].quality.model_copy(update={"latent_rmse": None})
    arm = record.arms[1].model_copy(update={"quality": lacking})
    arms = (record.arms[0], arm, *record.arms[2:])
    parsed = Page(render(record.model_copy(update={"arms": arms}), files))
    titles = [a for tag, a in parsed.tags if tag == "th" and a["scope"] == "col"]
    names = parsed.all("td", "data-name")
    row = len(titles) - 1
    assert names == names[:row] * len(ARMS)
    assert "–" in parsed.text  # noqa: RUF001


def test_timelines_share_one_scale_and_have_a_bar_for_everything(page):
    tags = Page(page).tags
    bars = [attributes for tag, attributes in tags if tag == "rect"]
    assert len(bars) == (1 + 1 + 4 + 4) * 4
    assert {bar["class"] for bar in bars} == {"compute", "wait", "encode", "decode"}
    assert all(float(bar["x"][:-1]) + float(bar["width"][:-1]) <= 100.001 for bar in bars)
    assert len([a for tag, a in tags if tag == "line" and a["class"] == "message"]) == 2


def test_results_that_the_page_does_not_show_are_counted():
    record, files = made_up("image", "a cat", "a dog", "a horse")
    kept = {name: data for name, data in files.items() if "3" not in name}
    assert "2 more in the folder" not in Page(render(record, kept)).text
    assert "1 more in the folder" in Page(render(record, kept)).text


@pytest.mark.parametrize(
    ("arms", "reference", "opens"),
    [
        (("sequential", "few-steps", "chords", "wavefront"), "sequential", "wavefront"),
        (("sequential", "wavefront cores=1", "wavefront"), "sequential", "wavefront"),
        (("sequential", "few-steps", "chords"), "sequential", "chords"),
        (("sequential", "few-steps"), "sequential", "few-steps"),
        (("wavefront", "chords", "sequential"), "wavefront", "chords"),
        (("wavefront cores=2", "wavefront cores=4"), "wavefront cores=4", "wavefront cores=2"),
    ],
)
def test_the_slider_opens_on_the_default_algorithm_beside_the_reference(arms, reference, opens):
    parsed = Page(render(*made_up("image", "a cat", arms=arms, reference=reference)))
    (sides,) = (a for tag, a in parsed.tags if tag == "section" and a.get("id") == "viewer")
    assert (sides["data-left"], sides["data-right"]) == (reference, opens)


def test_numbers_settings_and_the_command_are_told(page):
    text = " ".join(Page(page).text.split())
    for told in ("2.00\u00d7", "2.50\u00d7", "0.5000", "worst 0.6000", "1.0 GB", "0-8-16-32"):
        assert told in text
    assert "torch2.13.0" in text.replace(" ", "")
    assert "not installed" in text
    assert "Cores share cpu." in text


def test_the_policy_allows_the_pages_own_script_alone(page):
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (a["content"] for t, a in Page(page).tags if t == "meta" and "http-equiv" in a)
    assert policy == (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
