from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    SlowRetrievalError,
)

from acp.distribution.transport import (
    DirectoryTransport,
    HttpTransport,
    Patience,
    RedirectError,
    open_transport,
)
from tests.acp.distribution.refusing import refused

IMPATIENT = Patience(grace_s=0.5, min_bytes_per_s=1000, silence_s=5.0, total_s=20.0)


@contextmanager
def server(answer):
    """Serve what `answer` writes to a handler; gives the address and the requests seen."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            seen.append((self.client_address[1], self.path, dict(self.headers)))
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_):
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{found.server_port}", seen
    finally:
        found.shutdown()
        thread.join()
        found.server_close()


def send(data, status=200, **headers):
    def answer(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def get(transport, name="metadata/a.json", length=100_000):
    return transport.download_bytes(transport.base + name, length)


def test_one_connection_serves_many_files():
    with server(send(b"{}")) as (address, seen):
        transport = HttpTransport(address)
        assert [get(transport, f"{number}.json") for number in range(5)] == [b"{}"] * 5
        assert len({port for port, _, _ in seen}) == 1
        assert seen[0][2]["Accept-Encoding"] == "identity"
        assert transport.last == "4.json"


def test_length():
    with server(send(b'"' + b"x" * 98 + b'"')) as (address, _):
        transport = HttpTransport(address)
        assert len(get(transport, length=100)) == 100
        with pytest.raises(DownloadLengthMismatchError):
            get(transport, length=99)
        assert len(get(transport, length=100)) == 100


def test_a_redirect_on_the_same_server():
    def answer(handler):
        if handler.path == "/metadata/a.json":
            send(b"", 302, Location="/elsewhere/b.json")(handler)
        else:
            send(b'"b"')(handler)

    with server(answer) as (address, seen):
        assert get(HttpTransport(address)) == b'"b"'
        assert [path for _, path, _ in seen] == ["/metadata/a.json", "/elsewhere/b.json"]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/x",
        "http://localhost/x",
        "https://127.0.0.1/x",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "//evil.example/x",
        "http://127.0.0.1:99999/x",
    ],
)
def test_a_redirect_elsewhere(location):
    with (
        server(send(b"", 301, Location=location)) as (address, _),
        pytest.raises(RedirectError, match="elsewhere"),
    ):
        get(HttpTransport(address))


def drip(count, pause):
    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        for _ in range(count):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(pause)

    return answer


def test_a_rate_that_is_too_low():
    with server(drip(400, 0.02)) as (address, _):
        began = time.monotonic()
        with pytest.raises(SlowRetrievalError, match="slower than 1000 bytes per second"):
            get(HttpTransport(address, IMPATIENT))
        assert time.monotonic() - began < 5


def test_a_rate_that_is_just_enough():
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "3000")
        handler.end_headers()
        for _ in range(10):
            handler.wfile.write(b" " * 299 + b"1" if _ == 9 else b" " * 300)
            handler.wfile.flush()
            time.sleep(0.1)

    with server(answer) as (address, _):
        patient = Patience(grace_s=2, min_bytes_per_s=1000, silence_s=5, total_s=20)
        assert get(HttpTransport(address, patient)).strip() == b"1"


def test_the_time_of_all_downloads_together():
    with server(send(b"{}")) as (address, _):
        transport = HttpTransport(address, Patience(total_s=0.3))
        get(transport)
        time.sleep(0.35)
        with pytest.raises(SlowRetrievalError, match="together took more than"):
            get(transport)


def test_silence_after_the_connection():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(SlowRetrievalError):
            get(HttpTransport(address, IMPATIENT))


def test_nobody_there():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with pytest.raises(DownloadError, match=r"^cannot be had: (?!.*host=)"):
        get(HttpTransport(f"http://127.0.0.1:{port}", IMPATIENT))


def test_a_proxy_of_the_environment(monkeypatch):
    with server(send(b'"proxied"')) as (address, seen):
        monkeypatch.setenv("http_proxy", address)
        monkeypatch.setenv("no_proxy", "direct.example")
        assert get(HttpTransport("http://registry.example/acp")) == b'"proxied"'
        assert seen[0][1] == "http://registry.example/acp/metadata/a.json"


def test_a_proxy_that_is_none(monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(RedirectError, match="proxy of the environment"):
        HttpTransport("http://registry.example/acp")


def test_progress():
    told = []
    with server(send(b'"' + b"x" * 90_000 + b'"')) as (address, _):
        transport = HttpTransport(address)
        transport.progress = lambda name, count: told.append((name, count))
        get(transport)
    assert told[-1] == ("metadata/a.json", 90_002)


def test_metadata_is_strict_json():
    for text in (b"<html>", b'{"a":1,"a":2}', b"[" * 17 + b"]" * 17, b"1e999", b"\xff"):
        with (
            server(send(text)) as (address, _),
            refused("REG-M5", "metadata/a.json is no metadata"),
        ):
            get(HttpTransport(address))


@pytest.mark.parametrize(
    "address",
    ["ftp://a.example", "http://", "https://user@a.example/x", "http://a.example/?q", "file:///x"],
)
def test_addresses_that_registries_do_not_have(address):
    with pytest.raises(RedirectError):
        open_transport(address)


def test_a_file_outside_of_the_base():
    transport = HttpTransport("http://a.example/acp")
    with pytest.raises(RedirectError, match="not below"):
        transport.fetch("http://a.example/other")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret").write_text("{}")
    inside = tmp_path / "public"
    (inside / "metadata").mkdir(parents=True)
    (inside / "metadata" / "a.json").write_text('"a"')
    (inside / "metadata" / "link.json").symlink_to(tmp_path / "secret")
    (inside / "metadata" / "zero.json").symlink_to("/dev/zero")
    os.mkfifo(inside / "metadata" / "pipe.json")
    return inside


def test_a_folder(folder):
    assert get(DirectoryTransport(folder)) == b'"a"'
    assert get(open_transport(str(folder))) == b'"a"'
    with pytest.raises(DownloadLengthMismatchError):
        get(DirectoryTransport(folder), length=2)
    with pytest.raises(DownloadHTTPError):
        get(DirectoryTransport(folder), "metadata/none.json")
    with pytest.raises(DownloadError, match="no folder"):
        get(DirectoryTransport(folder / "none"))


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "metadata/../../secret",
        "metadata/%2e%2e/%2e%2e/secret",
        "metadata//a.json",
        "metadata/./a.json",
        "metadata/a.json%00",
        "metadata/link.json",
        "metadata/zero.json",
        "metadata/pipe.json",
    ],
)
def test_ways_out_of_a_folder(folder, name):
    with pytest.raises(RedirectError):
        get(DirectoryTransport(folder), name)
