"""The report in a real browser: it shows and prints, asks nobody for anything, and complains of nothing."""

from __future__ import annotations

import re
import zlib

import pytest

from app.cohorts.figures import NAMES
from tests import hostile

pytestmark = pytest.mark.browser

REPORT = "/v1/cohorts/study/report"
HOSTILE = "<img src=x onerror=\"document.title='caught'\"><script>document.title='caught'</script>"
# Widths of A4 and Letter within the page's margins of 15 mm, in CSS pixels.
PAPERS = {"A4": (210 - 30) / 25.4 * 96, "Letter": (8.5 - 30 / 25.4) * 96}
TALLEST_MM = {"A4": 297 - 34, "Letter": 279.4 - 34}


def assert_quiet(visit, service, path=REPORT):
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.endswith("/favicon.ico")] == [f"{service}{path}"]


def test_the_report_shows_itself_and_asks_for_nothing_else(visit, service):
    visit.page.goto(f"{service}{REPORT}")
    assert visit.page.locator("h1").inner_text()
    assert visit.page.locator("figure svg").count() == 7
    for name in ("Table 1.", "Table 2.", "Table 3.", "Table 4."):
        assert visit.page.get_by_text(name, exact=True).first.is_visible()
    colour = visit.page.eval_on_selector(".use", "element => getComputedStyle(element).borderLeftColor")
    assert colour == "rgb(11, 79, 125)", "the style sheet was not let in"
    assert_quiet(visit, service)


def test_every_figure_has_a_name_that_a_screen_reader_says(visit, service):
    visit.page.goto(f"{service}{REPORT}")
    figures = visit.page.get_by_role("img")
    assert figures.count() == 7
    for number in range(7):
        assert " by " in visit.page.locator("figure svg > title").nth(number).text_content()
        assert len(visit.page.locator("figure svg > desc").nth(number).text_content()) > 40


@pytest.mark.parametrize("width", [360, 800, 1300])
def test_nothing_sticks_out_of_the_page(visit, service, width):
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.page.goto(f"{service}{REPORT}")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("paper", PAPERS)
def test_it_prints_with_figures_whole_and_heads_repeated(visit, service, paper):
    visit.page.goto(f"{service}{REPORT}")
    visit.page.emulate_media(media="print")
    visit.page.set_viewport_size({"width": round(PAPERS[paper]), "height": 1000})
    heights = visit.page.eval_on_selector_all("figure", "all => all.map(one => one.getBoundingClientRect().height)")
    assert heights
    assert max(heights) / 96 * 25.4 < TALLEST_MM[paper]
    breaks = visit.page.eval_on_selector_all("figure, tr", "all => all.map(one => getComputedStyle(one).breakInside)")
    assert set(breaks) == {"avoid"}
    heads = visit.page.eval_on_selector_all("thead", "all => all.map(one => getComputedStyle(one).display)")
    assert set(heads) == {"table-header-group"}
    assert not visit.page.locator("nav").is_visible()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= round(PAPERS[paper])
    printed = visit.page.pdf(format=paper)
    assert printed.startswith(b"%PDF")
    assert 5 < pages(printed) < 40
    assert_quiet(visit, service)


def pages(pdf: bytes) -> int:
    """Count the pages of a PDF, whose objects may be packed."""
    packed = [found.group(1) for found in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)]
    text = b"".join([pdf, *(_unpacked(part) for part in packed)])
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", text))


def _unpacked(part: bytes) -> bytes:
    try:
        return zlib.decompress(part)
    except zlib.error:
        return b""


def test_text_of_callers_is_never_run(visit, service):
    created = visit.page.request.post(
        f"{service}/v1/cohorts", data={"name": HOSTILE, "description": HOSTILE, "patients": []}
    )
    assert created.status == 201
    path = f"{created.headers['location']}/report"
    visit.page.goto(f"{service}{path}")
    assert visit.page.title().startswith("<img src=x")
    assert visit.page.locator("h1").inner_text() == HOSTILE
    assert visit.page.locator("img, script").count() == 0
    assert_quiet(visit, service, path)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_stands_alone(visit, service, name):
    path = f"/v1/cohorts/study/figures/{name}.svg"
    visit.page.goto(f"{service}{path}")
    assert visit.page.evaluate("document.documentElement.tagName") == "svg"
    sizes = visit.page.evaluate("[innerWidth, document.documentElement.getBoundingClientRect().width]")
    assert 0 < sizes[1] <= sizes[0]
    assert_quiet(visit, service, path)


def test_hostile_text_does_nothing_in_a_browser(visit, service):
    """Name and description hold all that would run, call home or open a dialog if anybody took it for markup."""
    sent = {"name": "".join(hostile.MARKUP)[:200], "description": "\n".join((*hostile.MARKUP, *hostile.SQL))}
    created = visit.page.request.post(f"{service}/v1/cohorts", data=sent)
    assert created.status == 201
    path = created.headers["location"]
    dialogs: list[str] = []
    visit.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    pages = [f"{path}/report", *(f"{path}/figures/{name}.svg" for name in NAMES)]
    pages += ["/v1/cohorts", path, f"{path}/patients", f"{path}/analysis"]
    for page in pages:
        visit.requests.clear()
        visit.page.goto(f"{service}{page}")
        assert visit.page.locator("script, img, iframe, object, embed").count() == 0, page
        assert [url for url in visit.requests if not url.endswith("/favicon.ico")] == [f"{service}{page}"]
    assert dialogs == []
