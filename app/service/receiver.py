"""The DICOM receiver: C-ECHO and C-STORE, by pynetdicom."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import cast

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from lesionmap.app.serve_settings import ReceiveSettings
from lesionmap.app.service.intake import Intake, Sent
from lesionmap.app.service.logs import audit
from lesionmap.app.service.metrics import Metrics
from lesionmap.app.service.tls import server_context
from lesionmap.app.service.transport import BoundedServer, BoundedSocket
from lesionmap.models.core.errors import SettingsError

MAXIMUM_PDU = 131072

_PAUSE_S = 0.05
# What the job can decode, but for deflated objects: they can inflate a thousandfold, and their
# senders fall back to another syntax.
_SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000Lossless,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    HTJ2K,
]


class Receiver:
    """Listens, and hands every object to the intake."""

    def __init__(
        self,
        settings: ReceiveSettings,
        intake: Intake,
        metrics: Metrics,
        on_end: Callable[[], None],
    ) -> None:
        """Prepare; ``on_end`` is called whenever an association is over.

        Raises:
            SettingsError: the TLS files cannot be used.
        """
        self._settings = settings
        self._intake = intake
        self._metrics = metrics
        self._on_end = on_end
        self._answers: dict[Association, Counter[str]] = {}
        self._tls = server_context(settings.tls) if settings.tls else None
        self._server: BoundedServer | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before `start`."""
        return int(self._server.server_address[1]) if self._server else 0

    def start(self) -> None:
        """Listen.

        Raises:
            SettingsError: the address cannot be used.
        """
        _config.LOG_HANDLER_LEVEL = "none"
        settings = self._settings
        try:
            server = self._entity().make_server(
                (settings.address, settings.port),
                evt_handlers=self._handlers(),
                server_class=BoundedServer,
                most_bytes=settings.object_mib << 20,
                tls=self._tls,
                on_end=self._end,
            )
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {settings.address}, port {settings.port}: {error.strerror}"
            ) from error
        self._server = cast("BoundedServer", server)
        listen = partial(server.serve_forever, poll_interval=_PAUSE_S)
        threading.Thread(target=listen, name="receiver", daemon=True).start()

    def stop(self, deadline: float) -> None:
        """Take no more associations; abort those that go on past ``deadline`` (monotonic)."""
        if self._server is None:
            return
        self._server.shutdown()
        while self._answers and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        for assoc in list(self._answers):
            assoc.abort()

    def _entity(self) -> AE:
        entity = AE(ae_title=self._settings.ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = list(self._settings.calling_ae)
        entity.maximum_pdu_size = MAXIMUM_PDU
        entity.maximum_associations = self._settings.associations
        entity.network_timeout = entity.acse_timeout = self._settings.idle_s
        entity.add_supported_context(Verification)
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax or "", _SYNTAXES)
        return entity

    def _handlers(self) -> list[evt.EventHandlerType]:
        return [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_ACCEPTED, self._accepted),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_DIMSE_SENT, _count_answer),
        ]

    def _store(self, event: evt.Event) -> int:
        request = cast("C_STORE", event.request)
        sent = Sent(
            str(request.AffectedSOPClassUID or ""),
            str(request.AffectedSOPInstanceUID or ""),
            UID(event.context.transfer_syntax),
            request.DataSet or BytesIO(),
            _identity(event.assoc),
            _sender(event.assoc),
        )
        with self._metrics.seconds.labels("store").time():
            status = self._intake.take(sent)
        self._answers[event.assoc][f"0x{status:04X}"] += 1
        return int(status)

    def _accepted(self, event: evt.Event) -> None:
        self._answers[event.assoc] = Counter()
        audit("association accepted", **_peer(event.assoc))

    def _rejected(self, event: evt.Event) -> None:
        self._metrics.associations.labels("rejected").inc()
        audit("association rejected", **_peer(event.assoc))

    def _end(self, assoc: Association) -> None:
        answers = self._answers.pop(assoc, None)
        if answers is None:
            return
        end = "released" if assoc.is_released else "broken off"
        self._metrics.associations.labels(end).inc()
        audit(f"association {end}", **_peer(assoc), answers=dict(answers))
        self._intake.end(_identity(assoc), released=assoc.is_released)
        self._on_end()


def _count_answer(event: evt.Event) -> None:
    if isinstance(event.assoc.dul.socket, BoundedSocket):
        event.assoc.dul.socket.answered()


def _identity(assoc: Association) -> str:
    return f"{id(assoc):x}"


def _sender(assoc: Association) -> str:
    return str(assoc.requestor.ae_title).strip()


def _peer(assoc: Association) -> dict[str, object]:
    info = assoc.requestor.address_info
    return {"sender": _sender(assoc), "address": info.address if info else ""}
