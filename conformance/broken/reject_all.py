"""Rejects everything, for the reason that is right most often."""

from __future__ import annotations

from conformance.testee import Json, rejected, serve


def reject_all(_request: Json) -> Json:
    """Answer as a reader that is never to blame."""
    return rejected(["ENV-J2"])


if __name__ == "__main__":
    serve(reject_all)
