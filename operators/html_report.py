"""One self-contained page on a run: verdicts, numbers, pictures. No external link."""

import base64
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from lesionmap.operators.run_record import RunRecord, SeriesRecord

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>LesionMAP report</title>
<style>
 body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; background: #f4f6f8;
        max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
 h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 0 0 .4rem; }
 section { background: #fff; border: 1px solid #dde3ea; border-radius: 8px;
           padding: 1rem 1.2rem; margin: 1rem 0; }
 .warning { background: #fff4e0; border-color: #f0c36d; }
 .processed { color: #19724a; } .refused { color: #b3261e; } .skipped { color: #6b7785; }
 table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
 th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #e8edf2; }
 th:first-child, td:first-child { text-align: left; }
 figure { display: inline-block; margin: .4rem .6rem .4rem 0; }
 img { width: 320px; height: auto; border-radius: 4px; background: #000; }
 figcaption, small { color: #5a6775; font-size: .85rem; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>LesionMAP {{ run.software_version }}</h1>
<section class="warning"><strong>AI - not for diagnostic use.</strong>
 Regions were found and outlined by models alone; nobody has read the images.
 {{ run.series | length }} series, outcome: {{ run.outcome }} (code {{ run.exit_code }}).
 {%- if run.reason %} {{ run.reason.message }}{% endif %}</section>
{% for series in run.series %}
<section>
<h2>Series {{ series.number }}: {{ series.modality }}, {{ series.instance_count }}
 image{{ "" if series.instance_count == 1 else "s" }},
 <span class="{{ series.verdict }}">{{ series.verdict }}</span></h2>
{% if series.reason %}<p>{{ series.reason.message }} (code {{ series.reason.code }})</p>{% endif %}
{% for note in series.notes %}<p>{{ note }}</p>{% endfor %}
{% if series.verdict == "processed" and not series.lesions %}<p>Nothing found.</p>{% endif %}
{% if series.lesions %}
<table>
<tr><th>lesion</th><th>score</th><th>volume, mL</th><th>long axis, mm</th><th>short axis, mm</th>
 <th>voxels</th></tr>
{% for lesion in series.lesions %}
<tr><td>{{ lesion.segment_number }} {{ lesion.label }}</td>
 <td>{{ "%.2f" | format(lesion.score) }}</td>
 <td>{{ number(lesion.volume_mm3, 0.001) }}</td><td>{{ number(lesion.long_axis_mm) }}</td>
 <td>{{ number(lesion.short_axis_mm) }}</td><td>{{ lesion.voxel_count }}</td></tr>
{% endfor %}
</table>
{% for picture in pictures(series) %}
<figure><img alt="lesion {{ loop.index }}" src="data:image/png;base64,{{ picture }}">
 <figcaption>lesion {{ loop.index }}</figcaption></figure>
{% endfor %}
{% endif %}
<p><small>series {{ series.series_instance_uid }}</small></p>
</section>
{% endfor %}
<section><h2>Models</h2>
{% for model in run.models %}
<small>{{ model.name }} {{ model.version }}, {{ model.precision }}, {{ model.sha256 }}</small><br>
{% endfor %}</section>
</body>
</html>
"""


def render_html(run: RunRecord, folder: Path) -> str:
    """Return the page on ``run``, with the pictures it wrote below ``folder`` inside.

    Everything is escaped; UIDs are the only text that comes from DICOM.
    """

    def pictures(series: SeriesRecord) -> list[str]:
        paths = [folder / item.path for item in series.outputs if item.kind == "preview"]
        return [base64.b64encode(path.read_bytes()).decode("ascii") for path in paths]

    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)
    return template.render(run=run, pictures=pictures, number=_number)


def _number(value: float | None, factor: float = 1.0) -> str:
    return "" if value is None else f"{value * factor:.1f}"
