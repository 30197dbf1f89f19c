"""The printed report holds the numbers, no patient, and fits on its pages."""

import re
import zlib
from dataclasses import replace

import numpy as np
import pytest

from lesionmap.models.core.finding import FindingReport
from lesionmap.models.core.flags import Flag
from lesionmap.models.core.mask import Mask
from lesionmap.operators.pdf_report import MOST_PICTURES, draw_report
from tests.output_cases import CASES, subject


def text_of(pages):
    """Return the text that a PDF shows; a line is drawn in pieces."""
    streams = re.findall(rb"FlateDecode[^>]*>>\s*stream\n(.*?)endstream", pages, re.DOTALL)
    drawn = b"".join(zlib.decompress(stream) for stream in streams)
    shown = re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", drawn.replace(b") Tj (", b""))
    return b" ".join(shown).decode("latin-1").replace("\\", "")


def many(made, count):
    lesions = tuple(
        replace(made.report.lesions[0], label=f"No{number}", score=number / 100)
        for number in range(count)
    )
    return replace(made, report=replace(made.report, lesions=lesions))


@pytest.mark.parametrize("case", CASES)
def test_it_names_every_lesion_with_its_score_and_no_patient(case, tmp_path):
    made = subject(tmp_path / "in", case)
    text = text_of(draw_report(made))
    assert "2 lesions found" in text
    assert "AI - not for diagnostic use" in text
    for number, lesion in enumerate(made.report.lesions, start=1):
        assert f"{number} Lesion {lesion.key_slice + 1} {lesion.score:.2f}" in text
    assert "Test" not in text
    assert "T-1" not in text


def test_flags_and_warnings_are_said(tmp_path):
    made = subject(tmp_path / "in")
    first = replace(made.report.lesions[0], flags=(Flag.TOUCHES_EDGE,))
    report = replace(
        made.report, lesions=(first,), warnings=("a <b> & c",), flags=(Flag.TOO_MANY_FINDINGS,)
    )
    text = text_of(draw_report(replace(made, report=report)))
    for words in ("1 lesion found", "touches edge", "too many findings", "a <b> & c"):
        assert words in text


def test_nothing_found_is_a_page_too(tmp_path):
    made = subject(tmp_path / "in")
    empty = replace(made, seg=None, report=FindingReport((), made.report.models))
    assert "Nothing found" in text_of(draw_report(empty))


def test_many_lesions_are_all_listed_and_the_most_certain_drawn(tmp_path):
    pages = draw_report(many(subject(tmp_path / "in"), 60))
    assert pages.count(b"/Subtype /Image") <= MOST_PICTURES
    text = text_of(pages)
    assert all(f"No{number} " in text for number in range(60))
    assert "54 more lesions without a picture" in text


def test_a_label_in_letters_that_the_fonts_lack_does_not_stop_it(tmp_path):
    made = subject(tmp_path / "in")
    lesions = tuple(replace(lesion, label="病灶 <i>") for lesion in made.report.lesions)
    text = text_of(draw_report(replace(made, report=replace(made.report, lesions=lesions))))
    assert "1 ?? <i>" in text


def test_without_a_scale_axes_are_in_pixels_and_the_page_says_so(tmp_path):
    made = subject(tmp_path / "in", "ultrasound")
    text = text_of(draw_report(made))
    size = made.report.lesions[0].size
    assert "long axis, px" in text
    assert "axes are in pixels" in text
    assert f"{size.diameter.length:.1f} {size.width.length:.1f}" in text


def test_a_small_volume_keeps_its_digits(tmp_path):
    made = subject(tmp_path / "in")
    mask = Mask(np.ones((1, 1, 1), bool), (2, 4, 6), made.display.grid)
    lesion = replace(made.report.lesions[0], mask=mask)
    text = text_of(draw_report(replace(made, report=replace(made.report, lesions=(lesion,)))))
    assert "0.000960" in text
    assert "axes are in pixels" not in text
