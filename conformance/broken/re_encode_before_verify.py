"""Verifies signatures over its own encoding of the payload, not over the bytes that came."""

from __future__ import annotations

import base64

from acp import canonical
from acp.diagnostics import Refused
from conformance.testee import Json, answer, given, serve


def re_encode(request: Json) -> Json:
    """Answer as a reader that parses first and verifies later."""
    if request["operation"] not in ("envelope", "plan"):
        return answer(request)
    try:
        envelope = canonical.decode(given(request, "input"))
        if isinstance(envelope, dict) and isinstance(envelope.get("payload"), str):
            payload = canonical.decode(base64.b64decode(str(envelope["payload"]), validate=True))
            encoded = base64.b64encode(canonical.canonicalize(payload)).decode("ascii")
            changed = canonical.canonicalize({**envelope, "payload": encoded})
            request = {**request, "input": base64.b64encode(changed).decode("ascii")}
    except (Refused, ValueError):
        pass
    return answer(request)


if __name__ == "__main__":
    serve(re_encode)
