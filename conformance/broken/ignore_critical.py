"""Ignores what it does not understand, critical or not."""

from __future__ import annotations

import json

from conformance.testee import Json, answer, given, serve


def ignore_critical(request: Json) -> Json:
    """Answer as a reader that takes every extension for granted."""
    if request["operation"] != "document":
        return answer(request)
    try:
        critical = json.loads(given(request, "input")).get("critical", [])
    except (ValueError, AttributeError, RecursionError):
        critical = []
    names = sorted({name for name in critical if isinstance(name, str)})
    return answer({**request, "understood": names} if names else request)


if __name__ == "__main__":
    serve(ignore_critical)
