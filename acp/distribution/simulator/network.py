"""Attacks on the download itself: endless, slow, cut, compressed, redirected, malformed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from acp.distribution.simulator.attack import attack
from acp.distribution.simulator.world import VENDOR, Handler, World

_LONG_S: Final = 8.0
"""How long a slow server goes on; the client has given up long before."""


@attack("endless-timestamp", "REG-D1", "answers the request for the timestamp without an end")
def _(world: World) -> None:
    world.instead["metadata/timestamp.json"] = _endless


@attack("endless-root", "REG-D1", "answers the request for the next root without an end")
def _(world: World) -> None:
    world.instead["metadata/2.root.json"] = _endless


@attack("endless-document", "REG-D1", "answers the request for a document without an end")
def _(world: World) -> None:
    _replace_document(world, _endless)


@attack("slow-header", "REG-D2", "sends the headers of an answer byte by byte")
def _(world: World) -> None:
    def drip(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Filler: ")
        _drip(handler, b"x")

    world.instead["metadata/timestamp.json"] = drip


@attack("slow-body", "REG-D2", "sends a document byte by byte")
def _(world: World) -> None:
    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        _drip(handler, b"x")

    _replace_document(world, drip)


@attack("slow-chunks", "REG-D2", "sends the length of a chunk byte by byte")
def _(world: World) -> None:
    def drip(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        _drip(handler, b"0")

    world.instead["metadata/timestamp.json"] = drip


@attack("silence", "REG-D2", "takes the connection, and says nothing")
def _(world: World) -> None:
    world.instead["metadata/timestamp.json"] = lambda _: time.sleep(3)


@attack("cut-document", "REG-D4", "ends in the middle of a document")
def _(world: World) -> None:
    def cut(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        handler.wfile.write(b"{")

    _replace_document(world, cut)


@attack("short-document", "REG-M4", "serves the first half of a document as the whole")
def _(world: World) -> None:
    def half(data: bytes) -> bytes:
        return data[: len(data) // 2]

    world.publish(2)
    for path in (world.repository.public / "targets" / VENDOR).iterdir():
        world.instead[f"targets/{VENDOR}/{path.name}"] = half(path.read_bytes())


@attack("short-metadata", "REG-M5", "serves the first half of the timestamp as the whole")
def _(world: World) -> None:
    data = world.served("timestamp.json")
    world.instead["metadata/timestamp.json"] = data[: len(data) // 2]


@attack("nested-metadata", "REG-M5", "serves a timestamp of 8,000 arrays in each other")
def _(world: World) -> None:
    world.instead["metadata/timestamp.json"] = b"[" * 8000 + b"]" * 8000


@attack("repeated-member", "REG-M5", "serves a timestamp that says two things at once")
def _(world: World) -> None:
    data = world.served("timestamp.json")
    world.instead["metadata/timestamp.json"] = data.replace(
        b'"signed":{', b'"signed":{"version":1,', 1
    )


@attack("page-for-root", "REG-M5", "answers every request with a page, as some hosts do")
def _(world: World) -> None:
    world.instead["metadata/2.root.json"] = b"<!doctype html><title>Welcome</title>"


@attack("redirect", "REG-D3", "sends the client to a server inside its network")
def _(world: World) -> None:
    world.instead["metadata/timestamp.json"] = _answer(
        302, {"Location": "http://localhost:1/metadata/timestamp.json"}
    )


@attack("redirect-loop", "REG-D3", "sends the client in a circle")
def _(world: World) -> None:
    world.instead["metadata/timestamp.json"] = _answer(301, {"Location": "timestamp.json"})


@attack("compression-bomb", "REG-D3", "sends a small answer that unpacks to a large one")
def _(world: World) -> None:
    world.instead["metadata/timestamp.json"] = _answer(200, {"Content-Encoding": "gzip"})


@attack("server-error", "REG-D4", "answers with an error of the server")
def _(world: World) -> None:
    world.instead["metadata/timestamp.json"] = _answer(503, {})


def _replace_document(world: World, answer: Callable[[Handler], None]) -> None:
    world.publish(2)
    for path in (world.repository.public / "targets" / VENDOR).iterdir():
        if "status" not in path.name:
            world.instead[f"targets/{VENDOR}/{path.name}"] = answer


def _endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    piece = b"x" * 65536
    for _ in range(10_000):
        handler.wfile.write(piece)


def _drip(handler: Handler, byte: bytes) -> None:
    ends = time.monotonic() + _LONG_S
    while time.monotonic() < ends:
        handler.wfile.write(byte)
        handler.wfile.flush()
        time.sleep(0.05)


def _answer(status: int, headers: dict[str, Any]) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer
