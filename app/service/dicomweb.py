"""A DICOMweb service, with the login that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from dicomweb_client import DICOMwebClient

from lesionmap.app.serve_settings import StowDestination
from lesionmap.app.settings import read_secret


class DicomWebService:
    """Opens clients that ask once and follow nothing in the environment."""

    def __init__(self, settings: StowDestination, timeout_s: float) -> None:
        """Prepare the login; secrets are read here, once.

        Raises:
            SettingsError: a secret is missing.
        """
        self._settings = settings
        self._timeout_s = timeout_s
        self._token = read_secret(settings.token) if settings.token else None
        self._password = read_secret(settings.password) if settings.password else None

    @contextmanager
    def open(self) -> Iterator[DICOMwebClient]:
        """Give a client for the time of a block."""
        with requests.Session() as session:
            session.trust_env = False  # no proxy, no .netrc that nobody thought of
            session.verify = str(self._settings.ca) if self._settings.ca else True
            if self._settings.user:
                session.auth = (self._settings.user, self._password or "")
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            client = DICOMwebClient(
                self._settings.url, session, headers=headers, timeout=self._timeout_s
            )
            client.set_http_retry_params(retry=False)
            yield client
