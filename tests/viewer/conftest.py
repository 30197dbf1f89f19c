"""The programs of `make test-viewer`. What is missing is a failure here, not a skip."""

import pytest
from playwright.sync_api import sync_playwright

from tests.viewer.cases import CASES, write_case
from tests.viewer.ohif import BROWSER_ARGUMENTS, CHROMIUM, Ohif
from tests.viewer.programs import ROOT, Orthanc, free_port, serving_ohif

SCREENSHOTS = ROOT / ".cache/viewer/screenshots"


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def browsing(browser):
    """A browser session whose cache all tests share; it keeps the viewer from the network."""
    context = browser.new_context(viewport={"width": 1000, "height": 640})
    context.route(
        lambda url: not url.startswith(("http://127.0.0.1:", "data:", "blob:")),
        lambda route: route.abort(),
    )
    yield context
    context.close()


@pytest.fixture
def open_page(browsing):
    """Return a function that opens an empty page."""
    yield lambda url: Ohif(browsing.new_page(), url)
    for page in browsing.pages:
        page.close()


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """An Orthanc that routes nothing, with OHIF in front, and every drawn case."""
    folder = tmp_path_factory.mktemp("archive")
    orthanc = Orthanc(folder, free_port(), free_port(), free_port(), routes=False)
    results = {name: write_case(name, folder / name) for name in CASES}
    with orthanc.running(), serving_ohif(folder / "ohif", orthanc) as url:
        for name in CASES:
            orthanc.upload(*sorted((folder / name).rglob("*.dcm")))
        yield url, results
