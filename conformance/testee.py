"""Our own library as an implementation under test: ``python -m conformance.testee``."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, TypeAlias, TypeVar

from acp import canonical, documents, protobuf, rules, yaml_text
from acp.acceptance import accept
from acp.diagnostics import Diagnostic, Refused, Severity
from acp.dsse import Envelope
from acp.holdings import Holdings
from acp.keys import PublicKey
from acp.message import Message
from acp.policy import TrustPolicy
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.status import StatusList
from conformance.phases import phase_of

Json: TypeAlias = dict[str, Any]
M = TypeVar("M", bound=Message)

FEATURES: Final = (
    "json",
    "yaml",
    "binary",
    "keys",
    "envelope",
    "ecdsa-p256",
    "descriptor",
    "system",
    "holdings",
    "status",
    "plan",
    "folding",
    "receipt",
)
PROFILES: Final = ("acp-reader/1", "cep-verifier/1", "cep-auditor/1")

_KINDS: Final = {
    documents.payload_type(kind): kind for kind in documents.KINDS if kind.PAYLOAD_TYPE
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What is told of an input that is not rejected.

    Attributes:
        digest: What the operation computes.
        warnings: Rules of severity warning that it breaks.
    """

    digest: str
    warnings: tuple[Diagnostic, ...] = ()


def serve(
    answer: Callable[[Json], Json], lines: Iterable[str] = sys.stdin, out: IO[str] = sys.stdout
) -> None:
    """Answer requests, one a line, until there are no more."""
    for line in lines:
        request = json.loads(line)
        reply = (
            greeting() if request["cmd"] == "hello" else {"id": request["id"], **answer(request)}
        )
        out.write(json.dumps(reply) + "\n")
        out.flush()


def greeting(name: str = "acp-cep") -> Json:
    """Return the answer to `hello`."""
    return {
        "reply": "hello",
        "protocol": 1,
        "implementation": {"name": name, "version": version("acp-cep"), "language": "Python"},
        "spec_versions": ["1"],
        "profiles": list(PROFILES),
        "features": list(FEATURES),
    }


def answer(request: Json) -> Json:
    """Return the verdict on one request, without its id."""
    operation = OPERATIONS[request["operation"]]
    try:
        return accepted(operation(request))
    except Refused as refusal:
        return rejected(
            found.code for found in refusal.diagnostics if found.severity is Severity.ERROR
        )
    except Exception as error:  # noqa: BLE001 - any other exception is a bug, and is to be seen as one
        return {"reply": "error", "message": f"{type(error).__name__}: {error}"}


def accepted(judged: Judged) -> Json:
    """Return the answer for an input that breaks no rule of severity error."""
    codes = list(dict.fromkeys(found.code for found in judged.warnings))
    warnings = {"warnings": codes} if codes else {}
    return {"reply": "accepted", "digest": judged.digest, **warnings}


def rejected(codes: Iterable[str]) -> Json:
    """Return the answer for an input that breaks these rules."""
    distinct = list(dict.fromkeys(codes))
    return {"reply": "rejected", "phase": phase_of(distinct), "codes": distinct}


def judge_canonical(request: Json) -> Judged:
    """Return the digest of a JSON text's canonical form."""
    return Judged(canonical.digest(canonical.decode(given(request, "input"))))


def judge_yaml(request: Json) -> Judged:
    """Return the digest of the value that a YAML text stands for."""
    return Judged(canonical.digest(yaml_text.decode(given(request, "input"))))


def judge_binary(request: Json) -> Judged:
    """Return the identity of a document in the binary encoding."""
    document = protobuf.from_binary(given(request, "input"), _KINDS[request["type"]])
    return Judged(documents.digest(document))


def judge_key(request: Json) -> Judged:
    """Return the id of a public key."""
    return Judged(PublicKey.from_pem(given(request, "input")).keyid)


def judge_document(request: Json) -> Judged:
    """Return the identity of a bare document that breaks no rule."""
    document = documents.load(given(request, "input"), _KINDS[request["type"]])
    context = rules.Context(
        now=moment(request),
        status_lists=status_lists(request),
        understood=frozenset(request.get("understood", ())),
        held=holdings(request),
    )
    found = rules.check(document, context)
    if any(one.severity is Severity.ERROR for one in found):
        raise Refused(*found)
    return Judged(documents.digest(document), found)


def judge_envelope(request: Json) -> Judged:
    """Return the identity of a document in an envelope that the policy trusts."""
    taken = accept(
        given(request, "input"),
        TrustPolicy.from_bytes(given(request, "policy")),
        now=moment(request),
        expected=[_KINDS[request["type"]]],
        status_lists=status_lists(request),
        understood=request.get("understood", ()),
        held=holdings(request),
    )
    rules_broken = (one for one in taken.warnings if one.code.startswith("ACP-"))
    return Judged(taken.digest, tuple(rules_broken))


def judge_plan(request: Json, *, unsigned: bool = False) -> Judged:
    """Return the digest of a plan that the verifier accepts."""
    from cep.reference import recompute
    from cep.store import Store
    from cep.verify import verify

    data = given(request, "input")
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for one in request.get("store", ()):
            store.add(base64.b64decode(one))
        report = verify(
            Envelope.from_bytes(data).payload if unsigned else data,
            descriptors=[base64.b64decode(one) for one in request.get("descriptors", ())],
            policy=TrustPolicy.from_bytes(given(request, "policy")),
            now=moment(request),
            store=store if "store" in request else None,
            status_lists=status_lists(request),
            binding=request.get("binding"),
            recompute=recompute,
            unsigned=unsigned,
        )
    if not report.ok:
        raise Refused(*report.diagnostics)
    return Judged(report.plan_digest)


def judge_receipt(request: Json) -> Judged:
    """Return the identity of a receipt that holds."""
    from cep.receipt import TensorDigest, tensor_digest, verify_receipt

    def runs(member: str) -> list[list[TensorDigest]] | None:
        if member not in request:
            return None
        return [
            [
                tensor_digest(
                    one["name"], one["dtype"], [*map(int, one["shape"])], given(one, "elements")
                )
                for one in run
            ]
            for run in request[member]
        ]

    data = given(request, "input")
    report = verify_receipt(
        data,
        given(request, "plan"),
        policy=TrustPolicy.from_bytes(given(request, "policy")),
        now=moment(request),
        inputs=runs("inputs"),
        outputs=runs("outputs"),
    )
    if not report.ok:
        raise Refused(*report.diagnostics)
    return Judged(canonical.digest(canonical.decode(Envelope.from_bytes(data).payload)))


def status_lists(request: Json) -> tuple[StatusList, ...]:
    """Return the status lists that the reader has accepted already."""
    return tuple(
        documents.load(base64.b64decode(one), StatusList) for one in request.get("status_lists", ())
    )


def holdings(request: Json) -> Holdings:
    """Return the other documents that the reader holds."""

    def held(member: str, kind: type[M]) -> list[M]:
        return [documents.load(base64.b64decode(one), kind) for one in request.get(member, ())]

    return Holdings.of(
        [*held("known", CapabilityDescriptor), *held("records", MeasurementRecord)],
        references=held("references", CapabilityDescriptor),
    )


OPERATIONS: Final[Mapping[str, Callable[[Json], Judged]]] = {
    "canonical": judge_canonical,
    "yaml": judge_yaml,
    "binary": judge_binary,
    "key": judge_key,
    "document": judge_document,
    "envelope": judge_envelope,
    "plan": judge_plan,
    "receipt": judge_receipt,
}


def given(request: Json, member: str) -> bytes:
    """Return the bytes that a member of the request holds."""
    return base64.b64decode(request[member], validate=True)


def moment(request: Json) -> datetime:
    """Return the moment to judge by."""
    return datetime.strptime(request["now"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


if __name__ == "__main__":
    serve(answer)
