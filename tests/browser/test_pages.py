"""The documentation pages in a real browser: they render, ask nobody but us, complain of nothing, and work."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.browser


def assert_quiet(visit, service):
    assert visit.complaints == []
    outside = [url for url in visit.requests if not url.startswith((f"{service}/", "data:", "blob:"))]
    assert outside == []


def test_the_front_page_leads_to_the_others(visit, service):
    visit.page.goto(f"{service}/")
    assert visit.page.locator("h1").inner_text() == "Defervesce"
    links = visit.page.eval_on_selector_all("a", "links => links.map(link => link.href)")
    for link in links:
        assert visit.page.request.get(link).status == 200, link
    assert_quiet(visit, service)


def test_swagger_ui_shows_every_operation(visit, service):
    visit.page.goto(f"{service}/docs")
    visit.page.wait_for_selector(".opblock")
    document = visit.page.request.get(f"{service}/openapi.json").json()
    count = sum(len(item) for item in document["paths"].values())
    assert visit.page.locator(".opblock").count() == count
    visit.page.locator("#operations-service-livez .opblock-summary-control").click()
    visit.page.wait_for_selector("#operations-service-livez .responses-table")
    assert_quiet(visit, service)


def _execute(visit, service, operation: str) -> str:
    """Open an operation and send its example as it stands; returns the status the page shows."""
    visit.page.goto(f"{service}/docs")
    block = visit.page.locator(f"#operations-{operation.replace('/', '-')}")
    block.locator(".opblock-summary-control").click()
    block.locator(".execute").click()
    status = block.locator(".live-responses-table .response .response-col_status")
    status.wait_for()
    return status.inner_text()


def test_try_it_out_answers_in_the_page(visit, service):
    assert _execute(visit, service, "service/version").startswith("200")
    assert '"defervesce"' in visit.page.locator(".live-responses-table .highlight-code").first.inner_text()
    assert_quiet(visit, service)


def test_try_it_out_sends_an_example_body_as_it_stands(visit, service):
    document = visit.page.request.get(f"{service}/openapi.json").json()
    operation = next(
        (item["post"] for path, item in document["paths"].items() if path == "/v1/anakinra/dose" and "post" in item),
        None,
    )
    assert operation is not None
    target = f"{operation['tags'][0]}/{operation['operationId']}"
    assert _execute(visit, service, target).startswith("200")
    assert_quiet(visit, service)


def with_a_path_parameter(document):
    return [
        f"{operation['tags'][0]}/{operation['operationId']}"
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "{" in path and method == "get"
    ]


def test_try_it_out_fills_in_the_parts_of_a_path(visit, service):
    targets = with_a_path_parameter(visit.page.request.get(f"{service}/openapi.json").json())
    assert len(targets) >= 15
    for target in targets:
        assert _execute(visit, service, target).startswith("200"), target
    assert_quiet(visit, service)


def test_redoc_shows_the_reference(visit, service):
    visit.page.goto(f"{service}/redoc")
    visit.page.wait_for_selector("h1")
    assert re.match(r"Defervesce", visit.page.locator("h1").first.inner_text())
    visit.page.wait_for_selector('[data-section-id="tag/service/operation/version"]', state="attached")
    visit.page.wait_for_timeout(500)
    assert_quiet(visit, service)


def test_the_policy_forbids_what_the_pages_do_not_need(visit, service):
    for path in ("/docs", "/redoc", "/"):
        policy = visit.page.request.get(f"{service}{path}", headers={"accept": "text/html"}).headers
        assert "unsafe-eval" not in policy["content-security-policy"]
        assert "script-src 'self';" in policy["content-security-policy"]
        assert ("unsafe-inline" in policy["content-security-policy"]) == (path == "/redoc")
    visit.page.goto(f"{service}/docs")
    blocked = visit.page.evaluate("fetch('https://example.org/').then(() => false, () => true)")
    assert blocked
