"""Rejects by falling over: signatures that do not verify end the process."""

from __future__ import annotations

import os

from conformance.testee import Json, answer, serve


def crash(request: Json) -> Json:
    """Answer as a reader without a handler for what its library raises."""
    verdict = answer(request)
    if verdict.get("phase") == "signature":
        os._exit(70)
    return verdict


if __name__ == "__main__":
    serve(crash)
