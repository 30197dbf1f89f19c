"""The status page: jobs, verdicts and, if switched on, pictures and patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from lesionmap.app.service.job import Delivery, Job
from lesionmap.app.service.results import RunResult

_STYLE = """
 body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; background: #f4f6f8;
        max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
 h1 { font-size: 1.5rem; margin: 0 0 .6rem; } h2 { font-size: 1.1rem; margin: 0 0 .4rem; }
 a { color: #0b5cad; } nav a { margin-right: 1rem; }
 section { background: #fff; border: 1px solid #dde3ea; border-radius: 8px;
           padding: 1rem 1.2rem; margin: 1rem 0; overflow-x: auto; }
 table { border-collapse: collapse; width: 100%; }
 th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #e8edf2;
          vertical-align: top; }
 dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: 0; }
 dt { color: #5a6775; } dd { margin: 0; overflow-wrap: anywhere; }
 .tiles { display: flex; flex-wrap: wrap; gap: .6rem; }
 .tile { border: 1px solid #e8edf2; border-radius: 6px; padding: .3rem .8rem; }
 .tile b { display: block; font-size: 1.3rem; }
 .done, .processed, .ready { color: #19724a; } .failed, .refused, .trouble { color: #b3261e; }
 .queued, .running, .delivering, .closing { color: #0b5cad; }
 .skipped, .duplicate, .superseded { color: #5a6775; }
 figure { display: inline-block; margin: .4rem .6rem .4rem 0; }
 img { width: 320px; height: auto; border-radius: 4px; background: #000; }
 small, figcaption { color: #5a6775; }
"""

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{% if refresh_s %}<meta http-equiv="refresh" content="{{ refresh_s }}">{% endif %}
<title>LesionMAP {{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<h1>LesionMAP {{ title }}</h1>
"""

_LIST = """<nav><a href="/">all</a>
{% for state, count in counts.items() if count %}<a href="/?state={{ state }}">{{ state }}</a>
{% endfor %}<a href="/metrics">metrics</a></nav>
<section>
{% if problems %}<p class="trouble">Not ready: {{ problems | join(", ") }}</p>
{% else %}<p class="ready">Ready</p>{% endif %}
<div class="tiles"><span class="tile"><b>{{ open_series }}</b>open</span>
{% for state, count in counts.items() %}
<span class="tile {{ state }}"><b>{{ count }}</b>{{ state }}</span>
{% endfor %}</div></section>
<section><table>
<tr><th>job</th><th>since</th><th>state</th><th>sender</th><th>objects</th><th>result</th></tr>
{% for job in jobs %}
<tr><td><a href="/jobs/{{ job.id }}">{{ job.id }}</a></td><td>{{ job.changed | moment }}</td>
<td class="{{ job.state }}">{{ job.state }}</td><td>{{ job.sender }}</td>
<td>{{ job.contents | length }}</td>
<td>{{ job.summary }}{% if job.reason %}{% if job.summary %}: {% endif %}{{ job.reason }}
{%- if job.code %} (code {{ job.code }}){% endif %}{% endif %}</td></tr>
{% else %}<tr><td colspan="6">No job{% if state %} that is {{ state }}{% endif %} yet.</td></tr>
{% endfor %}
</table>
{% if jobs | length == most %}<p><small>The latest {{ most }}.</small></p>{% endif %}
</section>
"""

_JOB = """<nav><a href="/">all jobs</a></nav>
<section><dl>
{% if patient %}<dt>patient</dt><dd>{{ patient }}</dd>{% endif %}
<dt>state</dt><dd class="{{ job.state }}">{{ job.state }}</dd>
<dt>came</dt><dd>{{ job.created | moment }} from {{ job.sender }}, {{ job.contents | length }}
 objects</dd>
<dt>attempts</dt><dd>{{ job.attempts }}</dd>
{% if job.reason %}<dt>reason</dt><dd>{{ job.reason }} (code {{ job.code }})</dd>{% endif %}
{% if job.summary %}<dt>result</dt><dd>{{ job.summary }}</dd>{% endif %}
</dl></section>
{% if deliveries %}<section><h2>Destinations</h2><table>
<tr><th>name</th><th>state</th><th>attempts</th><th>last answer</th></tr>
{% for item in deliveries %}
<tr><td>{{ item.destination }}</td>
<td class="{{ "done" if item.sent else "queued" }}">{{ "sent" if item.sent else "waiting" }}</td>
<td>{{ item.attempts }}</td><td>{{ item.reason }}</td></tr>
{% endfor %}
</table></section>{% endif %}
{% for series in record.series if record %}
<section><h2>Series {{ series.number }}: {{ series.modality }}, {{ series.instance_count }} images,
 <span class="{{ series.verdict }}">{{ series.verdict }}</span></h2>
{% if series.reason %}<p>{{ series.reason.message }} (code {{ series.reason.code }})</p>{% endif %}
{% for note in series.notes %}<p>{{ note }}</p>{% endfor %}
{% if series.verdict == "processed" %}<p>{{ series.lesions | length }} lesions found.</p>{% endif %}
{% for number in pictures.get(series.number, []) %}
<figure><img alt="lesion {{ loop.index }}" src="/jobs/{{ job.id }}/pictures/{{ number }}">
<figcaption>lesion {{ loop.index }}</figcaption></figure>
{% endfor %}
{% if identities %}<p><small>series {{ series.series_instance_uid }}</small></p>{% endif %}
</section>
{% endfor %}
"""

_FOOT = """<p><small>AI - not for diagnostic use.</small></p>
</body>
</html>
"""

MOST_JOBS = 200
_REFRESH_S = 5


@dataclass(frozen=True)
class Overview:
    """What the list shows."""

    counts: dict[str, int]
    jobs: Sequence[Job]
    problems: Sequence[str]
    open_series: int
    state: str = ""


@dataclass(frozen=True)
class Detail:
    """What the page on one job shows; ``identities`` switches UIDs on, as ``patient`` is filled."""

    job: Job
    deliveries: Sequence[Delivery]
    record: RunResult | None
    pictures: Sequence[Path] = ()
    patient: str = ""
    identities: bool = False


def render_list(overview: Overview) -> str:
    """Return the page with the latest jobs; it renews itself."""
    return _render(_LIST, "service", _REFRESH_S, most=MOST_JOBS, **vars(overview))


def render_job(detail: Detail) -> str:
    """Return the page on one job."""
    by_series: dict[int, list[int]] = {}
    for number, path in enumerate(detail.pictures):
        by_series.setdefault(int(path.parent.name), []).append(number)
    values = vars(detail) | {"pictures": by_series}
    return _render(_JOB, f"job {detail.job.id}", 0, **values)


def _render(body: str, title: str, refresh_s: int, **values: object) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["moment"] = _moment
    page = environment.from_string(_FRAME + body + _FOOT)
    return page.render(title=title, style=_STYLE, refresh_s=refresh_s, **values)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
