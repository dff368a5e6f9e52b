"""Compiled code in plans: CEP-C3 and CEP-E3, with what CEP-I4 and CEP-I6 say of it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from acp.canonical import canonicalize
from cep.certificate import CHECKER, KIND, Regions
from cep.v1.plan import Plan
from conformance.author import plans

if TYPE_CHECKING:
    from conformance.author.book import Json
    from conformance.author.plan_cases import Chapters
    from conformance.author.plans import Deck

_CODE: Final = "sha256:" + hashlib.sha256(b"compiled").hexdigest()
_STEP: Final = 1


def write(chapters: Chapters) -> None:
    """Write the cases down."""
    deck = _compiled()
    sheet = chapters.good(
        "plan-artifact", "CEP-C3 CEP-E3", "a region comes compiled, with its certificate", deck
    )
    sheet.deal(
        "artifact-software",
        "CEP-C3",
        "the device has other software",
        "code meets a driver that it was not made for",
        _for_software(deck, {"component": "other", "version_range": "==1.4.2"}),
    )
    sheet.deal(
        "artifact-version",
        "CEP-C3",
        "the device's driver is newer than the range",
        "code meets a driver that it was not made for",
        _for_software(deck, {"component": "toy", "version_range": "==2.0"}),
    )
    sheet.deal(
        "artifact-versions",
        "CEP-C3",
        "the descriptor is for a range of drivers",
        "nobody knows which driver the code will meet",
        _for_software(deck, {"component": "toy", "version_range": ">=1.4"}),
    )
    for name, mutation, members in (
        ("worst", "the certificate shows a larger difference than the plan allows",
         {"worst": "10001"}),
        ("region", "the certificate is about another region", {"region": "sha256:" + "0" * 64}),
        ("code", "the certificate is about other code", {"artifact": "sha256:" + "0" * 64}),
        ("samples", "the certificate has no samples", {"samples": []}),
        ("sizes", "a sample has a size that is not admissible", {"samples": [{"s0": "9"}]}),
    ):  # fmt: skip
        sheet.bad(
            f"certificate-{name}", "CEP-E3", mutation, "code that nobody compared is run",
            ("/evidence/0/inline", _certificate(deck, **members)),
        )  # fmt: skip
    sheet.bad(
        "certificate-missing", "CEP-E3", "the certificate is left out",
        "code that nobody compared is run", ("/evidence", ...),
    )  # fmt: skip
    sheet.bad(
        "evidence-kind", "CEP-I4", "the evidence is of a kind that is not known",
        "what a plan demands is ignored", ("/evidence/0/kind", "rumour"), also="CEP-E3",
    )  # fmt: skip
    sheet.bad(
        "artifact-nowhere", "CEP-I6", "the step names an artifact that is not listed",
        "the reference leads nowhere", ("/steps/1/run/artifact", "sha256:" + "0" * 64),
        also="CEP-E3",
    )  # fmt: skip


def _compiled() -> Deck:
    """Return the shared plan, its second region compiled."""
    deck = _for_software(plans.shared(), {"component": "toy", "version_range": "==1.4.2"})
    deck = deck.edited(
        ("/features", ["artifacts", "evidence"]),
        (
            "/artifacts",
            [{"digest": _CODE, "media_type": "application/octet-stream", "abi": "toy",
              "driver_range": ">=1.4,<2"}],
        ),
        (f"/steps/{_STEP}/run/artifact", _CODE),
    )  # fmt: skip
    entry = {
        "kind": KIND,
        "subject_steps": [_STEP],
        "checker": CHECKER,
        "inline": _certificate(deck),
    }
    return deck.edited(("/evidence", [entry]))


def _for_software(deck: Deck, software: Json) -> Deck:
    devices = {slot: {**one, "software": [software]} for slot, one in deck.devices.items()}
    return replace(deck, devices=devices)


def _certificate(deck: Deck, **changes: Any) -> str:
    certificate = {
        "artifact": _CODE,
        "region": Regions(Plan.from_json(deck.document())).digest(_STEP),
        "seed": "7",
        "samples": [{"s0": "1"}, {"s0": "8"}],
        "integers_below": "2",
        "worst": "119",
        **changes,
    }
    return base64.b64encode(canonicalize(certificate)).decode()
