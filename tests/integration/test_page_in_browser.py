"""The page in a browser: it asks for nothing, complains of nothing, sorts its tables, and fits a narrow screen."""

import random
import shutil
import subprocess
from dataclasses import replace

import pandas as pd
import pytest

from repro.report import page
from repro.report.claims import checkout
from repro.report.document import Cell, Column, Document, Section

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
NUMBERS = ["9.9", "1,234", "—", "12 ± 3", "-4.5", "70%", "", "100.25 [99, 101]", "~175 ms", "9.25", "-30"]
# what is unknown comes last
ASCENDING = ["-30", "-4.5", "9.25", "9.9", "12 ± 3", "70%", "100.25 [99, 101]", "~175 ms", "1,234"]
NETS = ["FCN-16s", "FCN-32s", "FCN-8s", "a", "B", "c", "d", "e", "f", "g", "h"]


def chromium():
    """The first browser that runs, or None."""
    for name in BROWSERS:
        path = shutil.which(name)
        if path and subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0:
            return path
    return None


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = chromium()
    if path is None:
        pytest.skip(f"no browser to look at the page: none of {', '.join(BROWSERS)} runs")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The page of what is committed, with figures, and a table of its own that is hard to sort."""
    out = tmp_path_factory.mktemp("report")
    folder = tmp_path_factory.mktemp("records")
    for path in checkout("tables", "records").rglob("sample-fcn8s*.s?.*"):
        shutil.copy(path, folder)
    made = page.gather(out, out / "no runs", [folder])
    order = list(range(len(NUMBERS)))
    random.Random(0).shuffle(order)
    columns = (Column("net", "left"), *(Column(f"number {n}") for n in range(12)))
    rows = tuple((Cell(NETS[n]), *[Cell(NUMBERS[n])] * 12) for n in order)
    hard = Document("hard", "A table", "To sort", "", (Section("Hard", columns, rows),), pd.DataFrame(), 0, 0)
    made = replace(made, groups={**made.groups, "Drawn": [hard]})
    path = out / "index.html"
    path.write_text(page.html(made), encoding="utf-8")
    return path


@pytest.fixture
def looked_at(browser, file):
    """Open the page; afterwards it has asked for nothing but itself, and complained of nothing."""
    opened = []

    def look(width=1400, height=900, **more):
        context = browser.new_context(viewport={"width": width, "height": height}, **more)
        sheet = context.new_page()
        requests, complaints = [], []
        context.on("request", lambda request: requests.append(request.url))
        sheet.on("console", lambda message: complaints.append(message.text))
        sheet.on("pageerror", lambda error: complaints.append(str(error)))
        sheet.goto(file.as_uri())
        opened.append((context, requests, complaints))
        return sheet

    yield look
    for context, requests, complaints in opened:
        context.close()
        assert complaints == []
        assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]


def column(sheet, number):
    return sheet.locator(f"#hard tbody tr > :nth-child({number + 1})").all_inner_texts()


def test_it_loads_whole_and_asks_for_nothing(looked_at):
    sheet = looked_at()
    assert sheet.title() and sheet.locator("table").count() > 10
    assert sheet.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 100)")
    assert sheet.locator("img").count() >= 2


def test_a_click_sorts_by_number_and_another_the_other_way(looked_at):
    sheet = looked_at()
    before = column(sheet, 1)
    heading = sheet.locator("#hard th[scope=col]").nth(1)
    assert heading.get_attribute("aria-sort") == "none"
    heading.get_by_role("button").click()
    assert column(sheet, 1)[:9] == ASCENDING and heading.get_attribute("aria-sort") == "ascending"
    assert sorted(column(sheet, 1)) == sorted(before)
    heading.get_by_role("button").click()
    assert column(sheet, 1)[:9] == ASCENDING[::-1] and heading.get_attribute("aria-sort") == "descending"
    assert sorted(column(sheet, 1)[9:]) == ["", "—"]
    rows = dict(zip(column(sheet, 0), column(sheet, 1), strict=True))
    assert rows == dict(zip(NETS, NUMBERS, strict=True))  # a row moves as a whole


def test_the_keyboard_sorts_too_and_words_go_by_their_numbers(looked_at):
    sheet = looked_at()
    heading = sheet.locator("#hard th[scope=col]").nth(0)
    heading.get_by_role("button").focus()
    sheet.keyboard.press("Enter")
    assert column(sheet, 0) == ["a", "B", "c", "d", "e", "f", "FCN-8s", "FCN-16s", "FCN-32s", "g", "h"]
    sheet.keyboard.press("Space")
    assert column(sheet, 0) == ["h", "g", "FCN-32s", "FCN-16s", "FCN-8s", "f", "e", "d", "c", "B", "a"]
    sheet.locator("#hard th[scope=col] button").nth(1).click()
    assert [heading.get_attribute("aria-sort") for heading in sheet.locator("#hard th[scope=col]").all()][:2] == [
        "none",
        "ascending",
    ]


def test_links_within_the_page_arrive(looked_at):
    sheet = looked_at()
    lost = (
        "[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.getElementById(a.hash.slice(1))).length"
    )
    assert sheet.evaluate(lost) == 0
    link = sheet.locator("#sample a.ours").first
    record = sheet.locator(f"[id='{link.get_attribute('href')[1:]}']")
    assert not record.evaluate("record => record.open")
    link.click()
    assert record.evaluate("record => record.open")
    assert "weights sha256" in record.inner_text() and record.locator("dt").first.is_visible()
    assert 0 <= record.bounding_box()["y"] < 900


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 800, 1400])
def test_no_width_makes_the_body_scroll_sideways(looked_at, width, scheme):
    sheet = looked_at(width=width, color_scheme=scheme)
    assert sheet.evaluate("document.documentElement.scrollWidth") <= width
    box = sheet.locator("#hard .box")
    if width < 800:
        assert box.evaluate("box => box.scrollWidth > box.clientWidth")  # its own box scrolls
        net = sheet.locator("#hard tbody th").first
        left = net.bounding_box()["x"]
        box.evaluate("box => box.scrollLeft = 200")
        assert net.bounding_box()["x"] == pytest.approx(left, abs=2)  # and the names stay


def test_the_heading_stays_while_a_long_table_scrolls(looked_at):
    sheet = looked_at(height=200)
    box, heading = sheet.locator("#hard .box"), sheet.locator("#hard th[scope=col]").first
    box.scroll_into_view_if_needed()
    box.evaluate("box => box.scrollTop = 60")
    assert box.evaluate("box => box.scrollTop") > 0
    assert heading.bounding_box()["y"] == pytest.approx(box.bounding_box()["y"], abs=2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_paper(looked_at, scheme):
    """The contrast that WCAG asks of text: 4.5, in both schemes, for all kinds of words."""
    sheet = looked_at(color_scheme=scheme)
    contrast = """([selector]) => {
        const light = css => {
            const [r, g, b] = css.match(/[0-9.]+/g).map(v => v / 255).map(
                v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const [a, b] = [getComputedStyle(document.querySelector(selector)).color,
                        getComputedStyle(document.body).backgroundColor].map(light).sort();
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }"""
    for selector in ("p", "a.claim", "a.ours", ".notes p", "[data-state=inside]", "[data-state=above]", "figcaption"):
        assert sheet.evaluate(contrast, [selector]) > 4.5, selector


def test_paper_shows_every_record(looked_at):
    sheet = looked_at()
    sheet.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert sheet.evaluate("[...document.querySelectorAll('details.record')].every(record => record.open)")


def test_the_command_writes_it(command, trained, tmp_path):
    """After a training: its records, its pictures."""
    arguments = ("--out", tmp_path / "out", "--work-dirs", trained, "--records", trained / "records")
    outcome = command("report", *arguments)
    assert outcome.code == 0, outcome.err
    path = tmp_path / "out" / "index.html"
    assert outcome.out.strip() == str(path)
    text = path.read_text(encoding="utf-8")
    for record in (trained / "records").glob("*.json"):
        assert f'id="record-{record.stem}"' in text
    assert text.count('src="data:image/png;base64,') == len(list(trained.rglob("predictions*.png"))) > 0
    (tmp_path / "bad.json").write_text("{}")
    assert "bad.json" in command("report", "--out", tmp_path / "b", "--records", tmp_path).complaint
    assert not (tmp_path / "b").exists()
