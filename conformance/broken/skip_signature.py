"""Reads envelopes and policies as it should, and never looks at a signature."""

from __future__ import annotations

from acp.dsse import Envelope
from acp.policy import TrustPolicy
from conformance.testee import Json, answer, given, judge_payload, serve


def skip_signature(request: Json) -> Json:
    """Answer as a reader whose signature check was left for later."""
    verdict = answer(request)
    codes = set(verdict.get("codes", ()))
    if request["operation"] not in ("envelope", "plan") or not codes <= {"ENV-T1", "CEP-I1"}:
        return verdict
    if request["operation"] == "plan":
        return answer({**request, "unsigned": True})
    policy = TrustPolicy.from_bytes(given(request, "policy"))
    payload = Envelope.from_bytes(given(request, "input")).payload
    return {"reply": "accepted", "digest": judge_payload(payload, request, policy)}


if __name__ == "__main__":
    serve(skip_signature)
