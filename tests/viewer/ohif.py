"""Look at studies in OHIF, in a real browser, and read back what it drew."""

import base64
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from PIL import Image
from playwright.sync_api import Page

from tests.viewer.programs import wait_until

CHROMIUM = "/usr/bin/chromium"
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    # Without a GPU the volume and label map shaders run on SwiftShader.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
COLOURED = 40
"""Spread of red, green and blue that no grey image has, and every label map colour has."""
OHIF_S_OWN = re.compile(r"error in event listener of type:\s+IMAGE_LOAD_ERROR")
"""OHIF 3.13.2 replaces the viewport of a SEG while its first image is on the way."""

_VIEWPORT = """
  const grid = window.services.viewportGridService;
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(
    grid.getActiveViewportId());
"""
_SETTLED = "await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));"


@dataclass
class Ohif:
    """One page of the viewer."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note_message)
        self.page.on("response", self._note_answer)
        self.page.add_init_script(
            "localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour']))"
        )

    def _note_message(self, message):
        if message.type == "error" and not OHIF_S_OWN.match(message.text):
            self.errors.append(message.text)

    def _note_answer(self, answer):
        if answer.status >= 400:
            self.errors.append(f"{answer.status} {answer.url}")

    def open(self, study_uid, series_uid, mode="viewer"):
        """Follow the link that opens a study with one of its series."""
        query = urlencode({"StudyInstanceUIDs": study_uid, "initialSeriesInstanceUID": series_uid})
        self.page.goto(f"{self.url}/{mode}?{query}", wait_until="domcontentloaded")

    def wait_for_segments(self):
        """Return the labels of the segments, once they are loaded and drawn."""
        labels = wait_until(self._segment_labels, seconds=60, what=f"no SEG: {self.errors}")
        wait_until(self._shows_images, seconds=20, what="the SEG has not come over its images")
        wait_until(lambda: coloured(self.canvas()).any(), seconds=20, what="the SEG is not drawn")
        return labels

    def _segment_labels(self):
        return self._evaluate(
            "return (window.services?.segmentationService?.getSegmentations() ?? [])"
            ".flatMap(item => Object.values(item.segments).map(segment => segment.label))"
        )

    def _shows_images(self):
        """Whether the viewport that loaded the SEG has given way to that of its images."""
        return self._evaluate(
            "const grid = window.services.viewportGridService;"
            "const id = grid.getActiveViewportId();"
            "const sets = grid.getDisplaySetsUIDsForViewport(id)"
            ".map(uid => window.services.displaySetService.getDisplaySetByUID(uid));"
            "return !!window.cornerstone.getEnabledElementByViewportId(id)"
            " && sets.every(set => set.Modality !== 'SEG')"
        )

    def lines(self):
        """Return the ends of the lines that measurements draw, (n, 2, 2) x and y in the canvas."""
        ends = self._evaluate(
            "return [...document.querySelectorAll('svg.svg-layer > line')]"
            # The dotted ones tie a text to its measurement.
            ".filter(line => line.getAttribute('stroke-dasharray') !== '2,3')"
            ".map(line => ['x1', 'y1', 'x2', 'y2'].map(name => +line.getAttribute(name)))"
        )
        return np.array(ends).reshape(-1, 2, 2)

    def jump_to_segment(self, number):
        """Do what a click on a segment in the panel does; return the instance then shown."""
        self._evaluate(
            f"{_VIEWPORT} const service = window.services.segmentationService;"
            "const id = service.getSegmentations()[0].segmentationId;"
            f"await service.jumpToSegmentCenter(id, {number}, grid.getActiveViewportId());"
            f"{_SETTLED}"
        )
        return self.shown_instance()

    def show_instance(self, sop_instance_uid):
        """Scroll to the slice of an instance."""
        found = self._evaluate(
            f"{_VIEWPORT} const index = viewport.getImageIds().findIndex("
            f"id => id.includes('/instances/{sop_instance_uid}/'));"
            f"if (index >= 0) {{ await viewport.setImageIdIndex(index); viewport.render(); }}"
            f"{_SETTLED} return index;"
        )
        assert found >= 0, "the instance is not among those of the viewport"
        assert self.shown_instance() == sop_instance_uid

    def shown_instance(self):
        """Return the SOP Instance UID of the slice that is shown."""
        image = self._evaluate(f"{_VIEWPORT} return viewport?.getCurrentImageId?.()")
        return image.split("/instances/")[1].split("/")[0] if image else None

    def canvas(self):
        """Return the picture of the viewport without its overlays, (rows, columns, 3) uint8."""
        picture = self._evaluate(f"{_VIEWPORT} return viewport?.canvas.toDataURL('image/png')")
        if picture is None:
            return np.zeros((1, 1, 3), np.uint8)
        return _read_png(base64.b64decode(picture.split(",")[1]))

    def project(self, points):
        """Return where the viewer draws points of the patient, (n, 3) LPS mm -> (n, 2) x, y."""
        listed = np.asarray(points, float).tolist()
        return np.array(
            self._evaluate(
                f"{_VIEWPORT} return {listed}.map(point => [...viewport.worldToCanvas(point)])"
            )
        )

    def screenshot(self, path: Path):
        """Keep what a person would see."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)

    def open_panel(self):
        """Show the list of segments."""
        self.page.locator('[data-cy="panelSegmentation-btn"]').click()

    def viewport_picture(self):
        """Return the viewport as a person sees it, overlays included, (rows, columns, 3)."""
        shot = self.page.locator("canvas.cornerstone-canvas").first.screenshot()
        return _read_png(shot)

    def _evaluate(self, body):
        return self.page.evaluate(f"async () => {{ {body} }}")


def coloured(picture):
    """Return where a picture is not grey, (rows, columns)."""
    return np.ptp(picture.astype(int), axis=2) > COLOURED


def _read_png(content):
    return np.array(Image.open(io.BytesIO(content)).convert("RGB"))
