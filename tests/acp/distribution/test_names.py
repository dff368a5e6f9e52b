from __future__ import annotations

import pytest

from acp.distribution.names import Reference, document_path, status_path, stored_path
from tests.acp.distribution.refusing import refused

HEX = "ab" * 32
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "issuer", "digest", "uri", "revision"),
    [
        (DIGEST, "", DIGEST, "", None),
        (f"example.com/{DIGEST}", "example.com", DIGEST, "", None),
        ("example.com/https://e.com/a", "example.com", "", "https://e.com/a", None),
        ("example.com/https://e.com/a@latest", "example.com", "", "https://e.com/a", None),
        ("example.com/https://e.com/a@7", "example.com", "", "https://e.com/a", 7),
        ("example.com/https://u@e.com/a", "example.com", "", "https://u@e.com/a", None),
        ("example.com/urn:x@7@8", "example.com", "", "urn:x@7", 8),
        ("example.com/urn:x@07", "example.com", "", "urn:x@07", None),
        ("example.com/urn:x@0", "example.com", "", "urn:x@0", None),
        (f"example.com/urn:x@{2**64 - 1}", "example.com", "", "urn:x", 2**64 - 1),
    ],
)
def test_reference(text, issuer, digest, uri, revision):
    assert Reference.parse(text) == Reference(text, issuer, digest, uri, revision)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:ab",
        DIGEST.upper(),
        "example.com",
        "example.com/",
        "localhost/urn:x",
        "../urn:x",
        "example.com/../../etc/passwd",
        "example.com/no uri",
        "Example.com/urn:x",
        "example.com/urn:x\n",
        f"example.com/urn:x@{2**64}",
        "example.com/urn:" + "x" * 2048,
    ],
)
def test_no_reference(text):
    with refused("REG-N1", "allowed are"):
        Reference.parse(text)


def test_paths():
    assert document_path("example.com", DIGEST) == f"example.com/{HEX}.json"
    assert status_path("example.com") == "example.com/status.json"
    assert stored_path("example.com/status.json", HEX) == f"example.com/{HEX}.status.json"
