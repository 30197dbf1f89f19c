"""pynetdicom's sockets and server, with bounds on what a peer can make us hold.

As it stands, pynetdicom reads as much as a PDU's length field claims, keeps an object of any
size in memory, waits for ever for the rest of a PDU, and does TLS handshakes in the thread that
accepts connections, where one silent peer would stop all others.
"""

import logging
import socket
import ssl
from collections.abc import Callable
from socketserver import BaseServer
from typing import Any

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

logger = logging.getLogger(__name__)

LONGEST_PDU = 1 << 20
"""Eight times what we offer; association requests with many contexts are longer than that."""

_CHUNK = 1 << 16


class BoundedSocket(AssociationSocket):
    """A socket that gives up on a peer that claims, sends or dawdles too much."""

    def __init__(self, assoc: Association, client: socket.socket, most_bytes: int) -> None:
        """Allow ``most_bytes`` between two answers of ours."""
        super().__init__(assoc, client_socket=client)
        client.settimeout(assoc.network_timeout)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._most_bytes = most_bytes
        self._unanswered = 0

    def recv(self, nr_bytes: int) -> bytearray:
        """Read that many bytes, or fewer where the peer closes.

        Raises:
            OSError: the peer exceeds a bound; the association ends.
        """
        self._unanswered += nr_bytes
        if nr_bytes > LONGEST_PDU or self._unanswered > self._most_bytes:
            logger.warning("connection closed: the peer sends more than is allowed")
            raise OSError("more than is allowed")
        found = bytearray()
        peer = self.socket
        while peer is not None and len(found) < nr_bytes:
            part = peer.recv(min(_CHUNK, nr_bytes - len(found)))
            if not part:
                break
            found += part
        return found

    def answered(self) -> None:
        """Count from nought again: the peer got an answer."""
        self._unanswered = 0


class BoundedHandler(RequestHandler):
    """Gives each association a bounded socket, and tells the server when it is over."""

    server: "BoundedServer"

    def handle(self) -> None:
        """Run the association to its end."""
        super().handle()
        # Not by events: the one of a closed connection can come before the last object is stored.
        self._assoc.join()
        self.server.on_end(self._assoc)

    def _create_association(self) -> Association:
        self._assoc = assoc = super()._create_association()
        assoc.dul.event_queue.get(block=False)  # the socket that is replaced announced itself
        assoc.dul.socket = BoundedSocket(assoc, self.request, self.server.most_bytes)
        return assoc


class BoundedServer(ThreadedAssociationServer):
    """Accepts connections; handshakes happen in the thread of each."""

    daemon_threads = True

    def __init__(
        self,
        *args: Any,
        most_bytes: int,
        tls: ssl.SSLContext | None,
        on_end: Callable[[Association], None],
        **kwargs: Any,
    ) -> None:
        """Pass on what pynetdicom's server takes, but for ``ssl_context``."""
        self.most_bytes = most_bytes
        self.on_end = on_end
        self._tls = tls
        super().__init__(*args, request_handler=BoundedHandler, **kwargs)  # type: ignore[misc]

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then hand over to the association."""
        request.settimeout(self.ae.network_timeout)
        if self._tls:
            request = self._tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Say that a connection failed; socketserver would print a traceback."""
        logger.warning("a connection ended with an error")

    def shutdown(self) -> None:
        """Stop listening; associations go on."""
        BaseServer.shutdown(self)
        self.server_close()
