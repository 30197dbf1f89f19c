"""The ``serve:`` part of app.yaml. Every default is safe; an unknown key is an error."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from lesionmap.app.section import Section

AeTitle = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[ -\[\]-~]{1,16}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=30 * 86400)]


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


class Secret(Section):
    """Where a secret is: never in app.yaml itself."""

    env: str | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> "Secret":
        if (self.env is None) == (self.file is None):
            raise ValueError("give one of env, file")
        return self


class ServerTls(Section):
    """TLS of the receiver; with ``client_ca``, senders must show a certificate of it."""

    certificate: Path
    key: Path
    key_password: Secret | None = None
    client_ca: Path | None = None


class ClientTls(Section):
    """TLS towards a destination; without ``ca``, the authorities of the system."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: Secret | None = None


class ReceiveSettings(Section):
    """The C-STORE receiver. An empty ``calling_ae`` takes any sender, on loopback only."""

    ae_title: AeTitle = "LESIONMAP"
    address: str = "127.0.0.1"
    port: Port = 11112
    calling_ae: tuple[AeTitle, ...] = ()
    tls: ServerTls | None = None
    associations: int = Field(default=10, ge=1, le=1000)
    idle_s: Seconds = 60
    object_mib: int = Field(default=512, ge=1, le=4096)

    @model_validator(mode="after")
    def _named_senders(self) -> "ReceiveSettings":
        if not is_loopback(self.address) and not self.calling_ae:
            raise ValueError("beyond loopback, calling_ae must name who may send")
        return self


class CloseSettings(Section):
    """When a series, or a study, counts as complete."""

    wait_for: Literal["series", "study"] = "series"
    quiet_s: Seconds = 30
    interrupted_s: Seconds = 600
    interrupted: Literal["refuse", "run"] = "refuse"


class WorkSettings(Section):
    """The batch jobs: how many at a time, and what each may use."""

    workers: int = Field(default=1, ge=1, le=64)
    time_s: Seconds = 3900
    memory_mib: int = Field(default=8192, ge=16)
    attempts: int = Field(default=3, ge=1, le=100)
    backoff_s: Seconds = 30
    most_queued: int = Field(default=1000, ge=1)
    least_free_mib: int = Field(default=2048, ge=0)


class DicomDestination(Section):
    """A C-STORE destination."""

    ae_title: AeTitle
    address: str
    port: Port
    tls: ClientTls | None = None


class StowDestination(Section):
    """A STOW-RS destination: the URL of its DICOMweb service."""

    url: str = Field(pattern=r"^https?://[^@]+$")
    token: Secret | None = None
    user: str | None = None
    password: Secret | None = None
    ca: Path | None = None

    @model_validator(mode="after")
    def _whole_login(self) -> "StowDestination":
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        return self


class Destination(Section):
    """Where results go."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    dicom: DicomDestination | None = None
    stow: StowDestination | None = None

    @model_validator(mode="after")
    def _one(self) -> "Destination":
        if (self.dicom is None) == (self.stow is None):
            raise ValueError("give one of dicom, stow")
        return self


class DeliverSettings(Section):
    """The way back; waits double from ``backoff_s`` to ``longest_backoff_s``."""

    destinations: tuple[Destination, ...] = ()
    attempts: int = Field(default=48, ge=1, le=1000)
    backoff_s: Seconds = 10
    longest_backoff_s: Seconds = 3600
    timeout_s: Seconds = 60

    @model_validator(mode="after")
    def _distinct(self) -> "DeliverSettings":
        if len({item.name for item in self.destinations}) < len(self.destinations):
            raise ValueError("two destinations have one name")
        return self


class KeepSettings(Section):
    """How long images and results stay in the spool after the end of their job."""

    done_h: float = Field(default=24, ge=0)
    failed_h: float = Field(default=720, ge=0)
    records_days: float = Field(default=365, gt=0)


class WebSettings(Section):
    """The status page; pictures and patients are shown only if ``show`` names them."""

    address: str = "127.0.0.1"
    port: Port = 8042
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
    show: tuple[Literal["previews", "patients"], ...] = ()


class ServeSettings(Section):
    """The whole ``serve:`` part."""

    spool: Path = Path("lesionmap-spool")
    receive: ReceiveSettings = ReceiveSettings()
    close: CloseSettings = CloseSettings()
    work: WorkSettings = WorkSettings()
    deliver: DeliverSettings = DeliverSettings()
    keep: KeepSettings = KeepSettings()
    web: WebSettings = WebSettings()
    stop_s: Seconds = 30
