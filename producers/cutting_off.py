"""Ends a source's requests in time whatever the other side sends: a library's own timeouts begin anew at every byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any
from weakref import WeakSet

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class CuttingOff(HTTPAdapter):
    """A requests adapter that knows its connections and can cut them off while another thread reads from them."""

    def __init__(self) -> None:
        # Sockets, not connections: those forget theirs once the rest of an answer is all that it is for.
        self._open: WeakSet[socket.socket] = WeakSet()
        super().__init__()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What reads when the time is up finds its connection closed."""
        timer = Timer(seconds, self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def cut(self) -> None:
        """Close every connection at once."""
        for each in list(self._open):
            with suppress(OSError):
                # The plain socket's own: that of TLS would change what the other thread is using.
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """As the library does, with connections whose sockets are noted."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools()

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """The same for a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools()
        return manager

    def _pools(self) -> dict[str, Any]:
        noted = self._open

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                if self.sock is not None:
                    noted.add(self.sock)

        class Tls(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                if self.sock is not None:
                    noted.add(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = Tls

        return {"http": PlainPool, "https": TlsPool}
