"""Fetch the images of a study by DICOMweb, all of them or none."""

import logging
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from dicomweb_client import DICOMwebClient
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from lesionmap.models.core.errors import (
    GeometryError,
    IdentityError,
    NoSeriesError,
    PixelError,
    SettingsError,
)
from lesionmap.operators.dicom.arrival import is_uid
from lesionmap.operators.dicom.scan import UNREADABLE

logger = logging.getLogger(__name__)

_AS_STORED = (("application/dicom", "*"),)
_NOT_IMAGES = frozenset(
    [
        "AU",
        "DOC",
        "FID",
        "KO",
        "PLAN",
        "PR",
        "REG",
        "RTDOSE",
        "RTPLAN",
        "RTRECORD",
        "RTSTRUCT",
        "RWV",
        "SEG",
        "SR",
    ]
)
_STUDY_UID = "0020000D"
_SERIES_UID = "0020000E"
_INSTANCE_UID = "00080018"
_MODALITY = "00080060"
_SERIES_COUNT = "00201206"
_INSTANCE_COUNT = "00201209"

_Item = dict[str, Any]


class StudyDownload:
    """A study on its way into a folder; files are named by number, never by what is in them."""

    def __init__(
        self, client: DICOMwebClient, study_uid: str, folder: Path, *, most_bytes: int
    ) -> None:
        """Fetch at most ``most_bytes``.

        Raises:
            SettingsError: ``study_uid`` is not a UID.
        """
        if not is_uid(study_uid):
            raise SettingsError("the study is named by its Study Instance UID")
        self._client = client
        self._study_uid = study_uid
        self._folder = folder
        self._bytes_left = most_bytes
        self._written = 0

    def fetch(self, wanted: Collection[str] = ()) -> int:
        """Write every image of the study, or of the wanted series; return how many.

        Raises:
            SettingsError: the archive does not answer, or does not let us in.
            NoSeriesError: the archive has no images of the study, or lacks a wanted series.
            GeometryError: not exactly the instances arrived that the archive lists.
            IdentityError: an instance of another study or series arrived.
            PixelError: an instance is damaged, or the study is larger than allowed.

        Source: DICOM PS3.18, 10.4 (Retrieve) and 10.6 (Search).
        """
        with _explained_errors():
            for number, (uid, count) in enumerate(self._find_series(wanted).items(), start=1):
                listed = self._list_instances(uid)
                if not listed:
                    raise GeometryError(f"the archive lists no instances of series {number}")
                if count not in (None, len(listed)):
                    raise GeometryError(
                        f"the archive counts {count} instances in series {number} and lists "
                        f"{len(listed)}: is it still arriving? Pull again later"
                    )
                arrived = [self._write(dataset, uid) for dataset in self._retrieve(uid)]
                if sorted(arrived) != sorted(listed):
                    raise GeometryError(
                        f"{len(arrived)} instances of series {number} arrived, "
                        f"{len(listed.intersection(arrived))} of the {len(listed)} that the "
                        "archive lists: pull again"
                    )
        logger.info("%s instances downloaded", self._written)
        return self._written

    def _find_series(self, wanted: Collection[str]) -> dict[str, int | None]:
        found = self._list_series()
        series = {
            uid: _count(item, _INSTANCE_COUNT)
            for uid, item in found.items()
            if _first(item, _MODALITY) not in _NOT_IMAGES
        }
        if missing := set(wanted) - set(series):
            raise NoSeriesError(f"the archive lacks {len(missing)} of the wanted series")
        if not series:
            raise NoSeriesError("the archive has no images of this study")
        return {uid: count for uid, count in series.items() if not wanted or uid in wanted}

    def _list_series(self) -> dict[str, _Item]:
        found = _all_pages(
            lambda offset: self._client.search_for_series(
                self._study_uid, fields=["NumberOfSeriesRelatedInstances"], offset=offset
            ),
            _SERIES_UID,
        )
        count = self._count_series()
        if count not in (None, len(found)):
            raise GeometryError(
                f"the archive counts {count} series in the study and lists {len(found)}: "
                "is it still arriving? Pull again later"
            )
        return found

    def _count_series(self) -> int | None:
        """Return how many series the archive says the study has; None where it does not say."""
        studies = self._client.search_for_studies(
            search_filters={"StudyInstanceUID": self._study_uid},
            fields=["NumberOfStudyRelatedSeries"],
        )
        counts = [
            _count(item, _SERIES_COUNT)
            for item in studies
            if _first(item, _STUDY_UID) == self._study_uid
        ]
        return counts[0] if counts else None

    def _list_instances(self, series_uid: str) -> set[str]:
        return set(
            _all_pages(
                lambda offset: self._client.search_for_instances(
                    self._study_uid, series_uid, offset=offset
                ),
                _INSTANCE_UID,
            )
        )

    def _retrieve(self, series_uid: str) -> Iterator[Dataset]:
        return self._client.iter_series(self._study_uid, series_uid, media_types=_AS_STORED)

    def _write(self, dataset: Dataset, series_uid: str) -> str:
        """Write an instance as it came; return its UID."""
        named = (str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID))
        if named != (self._study_uid, series_uid):
            raise IdentityError("the archive sent an instance of another study or series")
        self._written += 1
        path = self._folder / f"{self._written:06d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        self._bytes_left -= path.stat().st_size
        if self._bytes_left < 0:
            raise PixelError("the study is larger than pull.study_mib allows")
        return str(dataset.SOPInstanceUID)


@contextmanager
def _explained_errors() -> Iterator[None]:
    try:
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else "?"
        raise SettingsError(
            f"the archive answers with HTTP status {code}: check pull.archive in app.yaml"
        ) from error
    except requests.RequestException as error:
        raise SettingsError(
            f"the archive does not answer ({type(error).__name__}): check pull.archive in app.yaml"
        ) from error
    except UNREADABLE as error:
        raise PixelError(
            f"what the archive sent cannot be read ({type(error).__name__})"
        ) from error


def _all_pages(ask: Callable[[int | None], list[_Item]], tag: str) -> dict[str, _Item]:
    """Ask page by page, also where the archive chooses their size or ignores the offset."""
    listed: dict[str, _Item] = {}
    while True:
        page = {_uid(item, tag): item for item in ask(len(listed) or None)}
        if page.keys() <= listed.keys():
            return listed
        listed |= page


def _first(item: _Item, tag: str) -> Any:
    values = item.get(tag, {}).get("Value") or [None]
    return values[0]


def _uid(item: _Item, tag: str) -> str:
    uid = str(_first(item, tag))
    if not is_uid(uid):
        raise PixelError("the archive lists something that has no UID")
    return uid


def _count(item: _Item, tag: str) -> int | None:
    value = _first(item, tag)
    return None if value is None else int(value)
