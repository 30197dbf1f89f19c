"""TLS contexts from settings. Source: DICOM PS3.15, annex B (BCP 195)."""

import ssl
from pathlib import Path

from lesionmap.app.serve_settings import ClientTls, Secret, ServerTls
from lesionmap.app.settings import read_secret
from lesionmap.models.core.errors import SettingsError


def server_context(settings: ServerTls) -> ssl.SSLContext:
    """Return the context of the receiver.

    Raises:
        SettingsError: a certificate or key cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, settings.certificate, settings.key, settings.key_password)
    if settings.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        _trust(context, settings.client_ca)
    return context


def client_context(settings: ClientTls) -> ssl.SSLContext:
    """Return the context towards a destination; its name and certificate are always checked.

    Raises:
        SettingsError: a certificate or key cannot be used.
    """
    context = ssl.create_default_context()
    if settings.ca:
        _trust(context, settings.ca)
    if settings.certificate:
        _load(context, settings.certificate, settings.key, settings.key_password)
    return context


def _load(
    context: ssl.SSLContext, certificate: Path, key: Path | None, password: Secret | None
) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    secret = read_secret(password) if password else ""
    try:
        # A function, lest OpenSSL ask for the password at a terminal.
        context.load_cert_chain(certificate, key, lambda: secret)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the TLS certificate or key cannot be used ({type(error).__name__})"
        ) from error


def _trust(context: ssl.SSLContext, authority: Path) -> None:
    try:
        context.load_verify_locations(authority)
    except OSError as error:
        raise SettingsError(f"the TLS authority cannot be used ({type(error).__name__})") from error
