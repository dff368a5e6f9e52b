"""Bounded downloads: over HTTP, and out of a folder.

Nothing that a transport reads has been believed yet. Rules: REG-D1 (size), REG-D2 (time), REG-D3
(where to), REG-D4 (failures), REG-M5 (metadata is strict JSON).

Invariants:

* No more than the stated length is kept, plus one piece of at most `_PIECE` bytes.
* A download ends at the latest when its grace is over and the average rate is too low, or when
  the time of all downloads together is over, whatever the server does: a watchdog shuts the
  connection down, so that headers sent byte by byte do not help.
* Nothing is read outside of the address or folder of the registry.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import urllib3
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    SlowRetrievalError,
)
from tuf.ngclient import FetcherInterface
from typing_extensions import override
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from acp.canonical import decode
from acp.diagnostics import DecodeError
from acp.distribution.names import METADATA_LIMITS, RegistryError

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

_PIECE: Final = 64 * 1024
_MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_FAILURE: Final = 400
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class RedirectError(DownloadError):
    """The server sends elsewhere, or the address is not one to go to (REG-D3)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long downloads may take.

    Attributes:
        grace_s: Seconds that each download has before its rate counts.
        min_bytes_per_s: Average rate below which a download is given up.
        silence_s: Seconds without a byte, and to connect.
        total_s: Seconds that all downloads of one transport may take together.
    """

    grace_s: float = 20.0
    min_bytes_per_s: int = 4096
    silence_s: float = 15.0
    total_s: float = 300.0


class Transport(FetcherInterface):
    """What the client of TUF downloads with; `last` names the file that it asked for last."""

    def __init__(self, base: str) -> None:
        """Read below the address or folder `base`."""
        self.base = base.rstrip("/") + "/"
        self.last = ""
        self.progress: Callable[[str, int], None] | None = None

    @override
    def fetch(self, url: str) -> Iterator[bytes]:
        """Yield the content of a file, piece by piece.

        Raises:
            DownloadError: It cannot be had.
        """
        if not url.startswith(self.base):
            raise RedirectError(f"{url} is not below {self.base}")
        self.last = url.removeprefix(self.base)
        return self._fetch(url)

    @override
    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Return the content of a metadata file, which must be strict JSON.

        Raises:
            DownloadError: It cannot be had.
            RegistryError: REG-M5, it is not strict JSON of modest size.
        """
        data = super().download_bytes(url, max_length)
        try:
            decode(data, limits=METADATA_LIMITS)
        except DecodeError as refusal:
            reason = f"{self.last} is no metadata: {refusal.diagnostics[0].message}"
            raise RegistryError.because("REG-M5", reason) from None
        return data


class DirectoryTransport(Transport):
    """Reads a registry from a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        """Read below `folder`."""
        super().__init__("folder:")
        self._folder = folder

    @override
    def _fetch(self, url: str) -> Iterator[bytes]:
        parts = unquote(url.removeprefix(self.base)).split("/")
        if any(part in {"", ".", ".."} or "\0" in part for part in parts):
            raise RedirectError(f"{self.last} leads out of the folder")
        path = self._folder.joinpath(*parts)
        try:
            if not path.resolve().is_relative_to(self._folder.resolve()):
                raise RedirectError(f"{path} is a link out of the folder")
            # Non-blocking, so that a named pipe is refused below rather than waited for.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise RedirectError(f"{path} is no regular file")
                while piece := file.read(_PIECE):
                    yield piece
        except FileNotFoundError:
            if not self._folder.is_dir():
                raise DownloadError(f"{self._folder} is not there, or no folder") from None
            raise DownloadHTTPError(f"{path} is not there", 404) from None
        except OSError as error:
            raise DownloadError(f"{path}: {error.strerror or error}") from None


class HttpTransport(Transport):
    """Reads a registry over HTTP; proxies are those of the environment."""

    def __init__(self, base: str, patience: Patience = Patience()) -> None:
        """Read below the address `base`.

        Raises:
            RedirectError: It is no address of http or https, or the proxy is none.
        """
        super().__init__(base)
        parts = urlsplit(self.base)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise RedirectError(f"{base} is no address that begins with http:// or https://")
        if parts.query or parts.fragment or parts.username:
            raise RedirectError(f"{base} must have neither a user, a query nor a fragment")
        self._patience = patience
        self._ends = time.monotonic() + patience.total_s
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._pools = self._manager(parts.scheme, parts.hostname)

    @override
    def _fetch(self, url: str) -> Iterator[bytes]:
        with _Watch(self._sockets, self._patience, self._ends) as watch:
            try:
                response = self._open(url, watch)
                try:
                    while piece := response.read1(_PIECE, decode_content=False):
                        watch.received(len(piece))
                        if self.progress is not None:
                            self.progress(self.last, watch.count)
                        yield piece
                    expected = response.headers.get("Content-Length", "")
                    if watch.fired:
                        raise SlowRetrievalError(watch.reason)
                    if expected.isdecimal() and watch.count < int(expected):
                        reason = f"{self.last} ended after {watch.count} of {expected} bytes"
                        raise DownloadError(reason)
                finally:
                    # Kept only if it was read to its end; the pool would drain it otherwise.
                    response.close()
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                self._failed(error, watch)

    def _open(self, url: str, watch: _Watch) -> BaseHTTPResponse:
        """Return the answer to the request for `url`, redirects followed where that is allowed."""
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._pools.request(
                "GET",
                url,
                headers={"Accept-Encoding": "identity"},
                preload_content=False,
                redirect=False,
                retries=urllib3.Retry(0, read=0, redirect=0),
                timeout=urllib3.Timeout(self._patience.silence_s),
            )
            if watch.fired:
                response.close()
                raise SlowRetrievalError(watch.reason)
            if response.status not in _REDIRECTS:
                break
            target = urljoin(url, response.headers.get("Location", ""))
            response.close()
            _require_same_origin(url, target)
            url = target
        else:
            raise RedirectError(f"more than {_MAX_REDIRECTS} redirects")
        if response.status >= _FAILURE:
            response.close()
            reason = f"the server answers {response.status} to the request for {self.last}"
            raise DownloadHTTPError(reason, response.status)
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding != "identity":
            response.close()
            raise RedirectError(f"the server compresses {self.last} ({encoding[:40]})")
        return response

    def _failed(self, error: Exception, watch: _Watch) -> NoReturn:
        """Raise what the client of TUF expects in place of an error of the network."""
        cause: BaseException = error
        if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
            cause = error.reason
        if watch.fired:
            raise SlowRetrievalError(watch.reason) from None
        refused = isinstance(cause, urllib3.exceptions.NewConnectionError)
        if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError) and not refused:
            reason = f"no byte of {self.last} came within {self._patience.silence_s:g} s"
            raise SlowRetrievalError(reason) from None
        # The name of the file is before the message, that of the connection's class says nothing.
        said = re.sub(r"^\w+\(host=.*?\): ", "", str(cause))
        raise DownloadError(f"cannot be had: {said}") from None

    def _manager(self, scheme: str, host: str) -> urllib3.PoolManager:
        sockets = self._sockets

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class Encrypted(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class EncryptedPool(HTTPSConnectionPool):
            ConnectionCls = Encrypted

        proxy = None if proxy_bypass(host) else getproxies().get(scheme, getproxies().get("all"))
        options: dict[str, Any] = {"maxsize": 1, "block": False}
        manager = urllib3.PoolManager(**options)
        if proxy:
            try:
                manager = urllib3.ProxyManager(proxy, **options)
            except (urllib3.exceptions.HTTPError, ValueError) as error:
                raise RedirectError(f"the proxy of the environment is unusable: {error}") from None
        manager.pool_classes_by_scheme = {"http": PlainPool, "https": EncryptedPool}
        return manager


class _Watch:
    """Shuts connections down once a download is too slow, whatever the reader is waiting for."""

    def __init__(self, sockets: WeakSet[socket.socket], patience: Patience, ends: float) -> None:
        self._sockets = sockets
        self._patience = patience
        self._ends = ends
        self._began = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self.count = 0
        self.fired = False

    def __enter__(self) -> Self:
        if time.monotonic() >= self._ends:
            self.fired = True
            raise SlowRetrievalError(self.reason)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def received(self, count: int) -> None:
        """Count what has come."""
        self.count += count

    @property
    def reason(self) -> str:
        """Why the download was given up."""
        if time.monotonic() >= self._ends:
            return f"all downloads together took more than {self._patience.total_s:g} s"
        return (
            f"slower than {self._patience.min_bytes_per_s} bytes per second: {self.count} bytes in "
            f"{time.monotonic() - self._began:.0f} s"
        )

    def _deadline(self) -> float:
        slowest = self._patience.grace_s + self.count / self._patience.min_bytes_per_s
        return min(self._began + slowest, self._ends)

    def _wait(self) -> None:
        while not self._done.wait(max(0.0, self._deadline() - time.monotonic())):
            if time.monotonic() >= self._deadline():
                self.fired = True
                break
        # A connection that comes to be after this moment is shut down too.
        while not self._done.is_set():
            for one in list(self._sockets):
                with suppress(OSError):
                    # Not the method of a TLS socket, which another thread is using.
                    socket.socket.shutdown(one, socket.SHUT_RDWR)
            self._done.wait(0.1)


def open_transport(registry: str, patience: Patience = Patience()) -> Transport:
    """Return the transport for the address of a registry, or for the folder that holds its files.

    Raises:
        RedirectError: It is no address that registries have.
    """
    if "://" in registry:
        return HttpTransport(registry, patience)
    return DirectoryTransport(Path(registry))


def _require_same_origin(old: str, new: str) -> None:
    """Check that a redirect stays with the server it comes from.

    Raises:
        RedirectError: It does not.
    """
    before, after = urlsplit(old), urlsplit(new)
    try:
        ports = [one.port or _DEFAULT_PORTS.get(one.scheme) for one in (before, after)]
    except ValueError:
        ports = [0, 1]
    upgrade = (before.scheme, after.scheme) == ("http", "https") and ports == [80, 443]
    same = before.scheme == after.scheme and ports[0] == ports[1]
    if before.hostname != after.hostname or not (same or upgrade):
        shown = f"{after.scheme}://{after.netloc}"[:200]
        raise RedirectError(f"the server sends elsewhere, to {shown}")
