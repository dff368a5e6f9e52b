"""A small plan whose last region comes as compiled code, with its certificate."""

from __future__ import annotations

import base64

from acp.canonical import canonicalize
from cep.certificate import Regions
from cep.v1.plan import Plan
from tests.cep.plans import sha256

CODE = b"compiled code"
SOFTWARE = [{"component": "toy", "version_range": "==1.4.2"}]


def certificate(case, step=2, **changes):
    """The entry of evidence about a step of a plan."""
    case.seal()
    members = {
        "artifact": sha256(CODE),
        "region": Regions(Plan.from_json(case.plan)).digest(step),
        "seed": "7",
        "samples": [{"b": "1"}, {"b": "8"}],
        "integers_below": "2",
        "worst": "120",
        **changes,
    }
    inline = canonicalize({k: v for k, v in members.items() if v is not ...})
    return {
        "kind": "differential",
        "subject_steps": [step],
        "checker": "cep-differential-1",
        "inline": base64.b64encode(inline).decode(),
    }


def compiled(case):
    """The last region of a base plan comes as an artifact, with its certificate."""
    case.plan["features"] = ["artifacts", "evidence"]
    case.plan["artifacts"] = [
        {
            "digest": sha256(CODE),
            "media_type": "application/octet-stream",
            "abi": "toy",
            "driver_range": ">=1.4,<2",
        }
    ]
    case.plan["steps"][2]["run"]["artifact"] = sha256(CODE)
    for name in case.descriptors:
        case.descriptors[name]["software"] = SOFTWARE
    case.plan["evidence"] = [certificate(case)]
