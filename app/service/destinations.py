"""Hand result objects to a destination: C-STORE or STOW-RS, by libraries."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pydicom
import requests
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context
from pynetdicom.association import Association

from lesionmap.app.serve_settings import Destination, DicomDestination, StowDestination
from lesionmap.app.service.dicomweb import DicomWebService
from lesionmap.app.service.receiver import MAXIMUM_PDU
from lesionmap.app.service.tls import client_context

_WARNINGS = range(0xB000, 0xC000)


class DeliveryError(Exception):
    """A destination did not take the results; the text is for the operator."""


class Sender(Protocol):
    """Somebody who can hand over objects."""

    def send(self, paths: Sequence[Path]) -> None:
        """Hand over all objects.

        Raises:
            DeliveryError: at least one was not taken; sending all again is safe.
        """


def build_sender(destination: Destination, ae_title: str, timeout_s: float) -> Sender:
    """Return the sender for a destination.

    Raises:
        SettingsError: a secret or a TLS file is missing.
    """
    if destination.stow:
        return StowSender(destination.stow, timeout_s)
    assert destination.dicom
    return DicomSender(destination.dicom, ae_title, timeout_s)


class DicomSender:
    """C-STORE in one association."""

    def __init__(self, settings: DicomDestination, ae_title: str, timeout_s: float) -> None:
        """Send as ``ae_title``."""
        self._settings = settings
        self._ae_title = ae_title
        self._timeout_s = timeout_s
        self._tls = client_context(settings.tls) if settings.tls else None

    def send(self, paths: Sequence[Path]) -> None:
        """Send every object; see `Sender`."""
        datasets = [_read(path) for path in paths]
        assoc = self._associate(datasets)
        try:
            for dataset in datasets:
                _store(assoc, dataset)
        finally:
            if assoc.is_established:
                assoc.release()

    def _associate(self, datasets: Sequence[Dataset]) -> Association:
        entity = AE(ae_title=self._ae_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._timeout_s
        entity.connection_timeout = self._timeout_s
        wanted = {(item.SOPClassUID, item.file_meta.TransferSyntaxUID) for item in datasets}
        assoc = entity.associate(
            self._settings.address,
            self._settings.port,
            contexts=[build_context(sop_class, syntax) for sop_class, syntax in sorted(wanted)],
            ae_title=self._settings.ae_title,
            max_pdu=MAXIMUM_PDU,
            tls_args=(self._tls, self._settings.address) if self._tls else None,
        )
        if not assoc.is_established:
            raise DeliveryError("association rejected" if assoc.is_rejected else "not reachable")
        return assoc


def _store(assoc: Association, dataset: Dataset) -> None:
    try:
        answer = assoc.send_c_store(dataset)
    except (RuntimeError, ValueError) as error:
        raise DeliveryError("object class not accepted, or connection lost") from error
    # A lost connection comes back as an answer without a status.
    if "Status" not in answer:
        raise DeliveryError("connection lost")
    if answer.Status != 0 and answer.Status not in _WARNINGS:
        raise DeliveryError(f"refused with status 0x{answer.Status:04X}")


class StowSender:
    """STOW-RS, all objects in one request."""

    def __init__(self, settings: StowDestination, timeout_s: float) -> None:
        """Prepare the login; secrets are read here, once."""
        self._service = DicomWebService(settings, timeout_s)

    def send(self, paths: Sequence[Path]) -> None:
        """Send every object; see `Sender`."""
        datasets = [_read(path) for path in paths]
        with self._service.open() as client:
            answer = _post(client, datasets)
        if refused := answer.get("FailedSOPSequence"):
            raise DeliveryError(f"{len(refused)} of {len(datasets)} objects refused")


def _post(client: DICOMwebClient, datasets: Sequence[Dataset]) -> Dataset:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return client.store_instances(datasets)
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else "?"
        raise DeliveryError(f"HTTP status {code}") from error
    except (requests.RequestException, ValueError) as error:
        raise DeliveryError(f"not reachable ({type(error).__name__})") from error


def _read(path: Path) -> Dataset:
    # Elements stay raw until they are needed: what is sent is what was written.
    return pydicom.dcmread(path)
