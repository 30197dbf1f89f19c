"""The ``pull:`` part of app.yaml: where a study comes from, and where its results go."""

from pydantic import Field

from lesionmap.app.section import Section
from lesionmap.app.serve_settings import Seconds, StowDestination


class PullSettings(Section):
    """DICOMweb services; without ``results``, they go back into the archive."""

    archive: StowDestination = StowDestination(url="http://127.0.0.1:8042/dicom-web")
    results: StowDestination | None = None
    timeout_s: Seconds = 60
    study_mib: int = Field(default=8192, gt=0)
