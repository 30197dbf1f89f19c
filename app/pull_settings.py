"""The ``pull:`` part of app.yaml: where a study comes from, and where its results go."""

from pydantic import BaseModel, ConfigDict, Field

from lesionmap.app.serve_settings import Seconds, StowDestination


class PullSettings(BaseModel):
    """DICOMweb services; without ``results``, they go back into the archive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    archive: StowDestination = StowDestination(url="http://127.0.0.1:8042/dicom-web")
    results: StowDestination | None = None
    timeout_s: Seconds = 60
    study_mib: int = Field(default=8192, gt=0)
