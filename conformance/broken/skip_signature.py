"""Reads envelopes and policies as it should, and never looks at a signature."""

from __future__ import annotations

import base64

from acp.diagnostics import Refused
from acp.dsse import Envelope
from conformance.testee import (
    Json,
    Judged,
    accepted,
    answer,
    given,
    judge_document,
    judge_plan,
    rejected,
    serve,
)


def skip_signature(request: Json) -> Json:
    """Answer as a reader whose signature check was left for later."""
    verdict = answer(request)
    codes = set(verdict.get("codes", ()))
    if request["operation"] not in ("envelope", "plan") or not codes <= {"ENV-T1", "CEP-I1"}:
        return verdict
    try:
        return accepted(
            judge_plan(request, unsigned=True)
            if request["operation"] == "plan"
            else _judge_envelope(request)
        )
    except Refused as refusal:
        return rejected(found.code for found in refusal.diagnostics)


def _judge_envelope(request: Json) -> Judged:
    payload = Envelope.from_bytes(given(request, "input")).payload
    return judge_document({**request, "input": base64.b64encode(payload).decode("ascii")})


if __name__ == "__main__":
    serve(skip_signature)
