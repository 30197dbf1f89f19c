"""The page on a run: it says everything, escapes everything, and refers to nothing outside."""

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from PIL import Image

from lesionmap.models.core.flags import Flag
from lesionmap.operators.html_report import render_html
from lesionmap.operators.run_record import LesionRecord, RunRecord, SeriesRecord

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects text, attributes that load or lead somewhere, and unclosed tags."""

    def __init__(self, text):
        super().__init__()
        self.text, self.links, self.tags, self.open, self.pictures = "", [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.links += [attributes[key] for key in ("src", "href") if key in attributes]
        if tag == "img":
            self.pictures.append(attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if not self.open or self.open[-1] != "style":
            self.text += " " + " ".join(text.split())


def record(kind, **known):
    """Return the fields of a record, None where a required one is not given."""
    fields = kind.model_fields
    return {name: known.get(name) for name in fields if name in known or fields[name].is_required()}


def lesion(number=1, **changes):
    known = {
        "tracking_uid": f"2.25.{number}",
        "segment_number": number,
        "label": "Lesion",
        "score": 0.8125,
        "voxel_count": 4321,
        "volume_mm3": 1234.5,
        "long_axis_mm": 23.46,
        "short_axis_mm": 12.34,
        "flags": [],
        "detections": [],
    }
    return record(LesionRecord, **known | changes)


def series(number=1, **changes):
    known = {
        "number": number,
        "study_instance_uid": "1.2.3",
        "series_instance_uid": f"1.2.3.{number}",
        "modality": "CT",
        "instance_count": 40,
        "verdict": "processed",
        "reason": None,
        "notes": [],
        "flags": [],
        "outputs": [],
        "lesions": [],
        "timings_ms": {"detect": 1500.0},
        "models": ["detector"],
    }
    return record(SeriesRecord, **known | changes)


def page(folder, *items, **changes):
    known = {
        "software_version": "0.1.0",
        "outcome": "done",
        "exit_code": 0,
        "reason": None,
        "left_aside": {},
        "series": list(items),
        "models": [
            {
                "name": "detector",
                "version": "1.0.0",
                "sha256": "ab" * 32,
                "precision": "int8",
                "backend": "onnxruntime",
            }
        ],
        "timings_ms": {},
    }
    run = record(RunRecord, **known | changes)
    found = Page(render_html(RunRecord.model_validate(run), folder))
    assert found.open == []
    return found


def test_numbers_stand_with_three_digits_and_units(tmp_path):
    text = page(tmp_path, series(lesions=[lesion()])).text
    for number in ("0.81", "23.5", "12.3", "1.23", "4321"):
        assert f" {number} " in text
    assert "volume mL" in text
    assert "1 lesion in 1 series that was read" in text


def test_sizes_that_are_not_known_are_a_dash_and_the_page_says_why(tmp_path):
    unknown = lesion(volume_mm3=None, long_axis_mm=None, short_axis_mm=None)
    assert "does not say how large its pixels are" in page(tmp_path, series(lesions=[unknown])).text
    flat = lesion(volume_mm3=None)
    assert "no depth" in page(tmp_path, series(lesions=[flat])).text


def test_nothing_found_is_said_and_qualified(tmp_path):
    text = page(tmp_path, series()).text
    assert "Nothing found." in text
    assert "does not mean that there is none" in text


def test_refused_and_skipped_series_have_their_reasons(tmp_path):
    refused = series(1, verdict="refused", reason={"code": 11, "message": "a gap after slice 7"})
    skipped = series(2, verdict="skipped", reason={"code": 10, "message": "no rule takes it"})
    text = page(tmp_path, refused, skipped, left_aside={"not_dicom": 3}).text
    assert "a gap after slice 7 (code 11)" in text
    assert "no rule takes it (code 10)" in text
    assert "0 series that were read, 1 refused, 1 skipped" in text
    assert "3 not dicom" in text
    assert "Nothing found" not in text


def test_a_run_that_ended_early_says_so(tmp_path):
    reason = {"code": 40, "message": "the time limit was reached"}
    text = page(tmp_path, reason=reason, exit_code=40, outcome="time_limit").text
    assert "code 40" in text
    assert "the time limit was reached" in text


@pytest.mark.parametrize("flag", Flag)
def test_every_flag_is_a_badge_with_an_explanation(flag, tmp_path):
    found = page(tmp_path, series(flags=[flag], lesions=[lesion(), lesion(2, flags=[flag])]))
    assert found.text.count(flag.meaning) == 1
    assert found.text.count(flag.replace("_", " ")) >= 4


def test_text_is_escaped(tmp_path):
    hostile = "<script>alert(1)</script>"
    found = page(
        tmp_path,
        series(modality=hostile, notes=[hostile], lesions=[lesion(label=hostile)]),
        left_aside={hostile: 1},
    )
    assert "script" not in found.tags
    assert hostile in found.text


def test_pictures_are_inside_with_a_text_in_their_place(tmp_path):
    outputs = []
    for kind, name in (("preview", "lesion-001.png"), ("overview", "overview.png")):
        Image.new("RGB", (30, 20), (9, 99, 199)).save(tmp_path / name)
        outputs.append({"kind": kind, "path": name, "sha256": "cd" * 32})
    found = page(tmp_path, series(lesions=[lesion()], outputs=outputs))
    assert len(found.pictures) == 2
    assert all(picture["alt"].startswith("Series 1, ") for picture in found.pictures)
    outside = [
        link for link in found.links if not link.startswith(("data:image/jpeg;base64,", "#"))
    ]
    assert outside == []
    assert not {"script", "link", "iframe", "object"} & set(found.tags)


def luminance(colour):
    digits = colour * 2 if len(colour) == 3 else colour
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_as_wcag_asks(theme):
    source = (files("lesionmap.operators") / "templates" / "report.html.j2").read_text("utf-8")
    block = re.findall(r":root \{(.*?)\}", source, re.DOTALL)[theme]
    colours = dict(re.findall(r"--([a-z-]+): #([0-9a-f]+)", block))
    pairs = [(text, back) for text in ("ink", "faint") for back in ("paper", "card", "shade")]
    pairs += [(name, f"{name}-back") for name in ("good", "bad", "rest", "doubt")]
    for text, back in [*pairs, ("ink", "doubt-back")]:
        low, high = sorted((luminance(colours[text]), luminance(colours[back])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, back)
