from __future__ import annotations

import base64

import pytest

from cep.certificate import Certificate, Regions
from cep.store import Store
from cep.v1.plan import Plan
from tests.cep.compiled import CODE, SOFTWARE, certificate, compiled
from tests.cep.plans import WEIGHTS_FILE, all_of, at, buffer, chain, mutated, sha256
from tests.cep.verify.cases import refused_by, test_cases


def certified(**changes):
    """The certificate with other members."""

    def change(case):
        compiled(case)
        case.plan["evidence"] = [certificate(case, **changes)]

    return change


def differing(more):
    """A certificate of what the plan allows, and so much more."""

    def change(case):
        compiled(case)
        allowed = int(case.plan["constraints"]["numeric_tolerance"])
        case.plan["evidence"] = [certificate(case, worst=str(allowed + more))]

    return change


def but(*changes):
    return all_of(compiled, *changes)


def software(*entries, arch=()):
    def change(case):
        for described in case.descriptors.values():
            del described["software"]
            if entries:
                described["software"] = list(entries)
            if arch:
                described["subject"]["arch"] = list(arch)

    return change


def entry(**members):
    """The entry of evidence with other members."""

    def change(case):
        compiled(case)
        case.plan["evidence"][0] |= members

    return change


def of_another_region(case):
    compiled(case)
    case.plan["evidence"] = [certificate(case) | {"inline": certificate(case, 0)["inline"]}]


ACCEPTED = {
    "an artifact with its certificate": compiled,
    "an ABI of the architecture": but(at("artifacts/0/driver_range", ...), software(arch=["toy"])),
    "any version": but(at("artifacts/0/driver_range", ...)),
    "a version before a release": but(
        software({"component": "toy", "version_range": "==1.5.0rc1"})
    ),
    "a difference as large as is allowed": differing(0),
    "one sample": certified(samples=[{"b": "3"}]),
}
REFUSED = {
    "software that the device does not have": (
        "chain", but(software({"component": "other", "version_range": "==1.4.2"})), "CEP-C3"
    ),
    "no software": ("chain", but(software()), "CEP-C3"),
    "an architecture has no version": ("chain", but(software(arch=["toy"])), "CEP-C3"),
    "an older version": (
        "chain", but(software({"component": "toy", "version_range": "==1.3"})), "CEP-C3"
    ),
    "a newer version": (
        "chain", but(software({"component": "toy", "version_range": "==2.0"})), "CEP-C3"
    ),
    "several versions": (
        "chain", but(software({"component": "toy", "version_range": ">=1.4"})), "CEP-C3"
    ),
    "two entries": ("chain", but(software(*SOFTWARE, *SOFTWARE)), "CEP-C3"),
    "a range that is none": ("chain", but(at("artifacts/0/driver_range", "latest")), "CEP-C3"),
    "no certificate": ("chain", but(at("evidence", ...)), "CEP-E3"),
    "a certificate of another step": ("chain", entry(subject_steps=[0]), "CEP-E3"),
    "a certificate of no step": ("chain", but(at("evidence/0/subject_steps", ...)), "CEP-E3"),
    "a certificate of another region": ("fork", of_another_region, "CEP-E3"),
    "a certificate of other code": ("chain", certified(artifact="sha256:" + "0" * 64), "CEP-E3"),
    "a difference above what is allowed": ("chain", differing(1), "CEP-E3"),
    "no samples": ("chain", certified(samples=[]), "CEP-E3"),
    "a size that is not admissible": ("chain", certified(samples=[{"b": "9"}]), "CEP-E3"),
    "a size that is missing": ("chain", certified(samples=[{}]), "CEP-E3"),
    "a size of nothing": ("chain", certified(samples=[{"b": "1", "c": "1"}]), "CEP-E3"),
    "a number that is none": ("chain", certified(worst="-1"), "CEP-E3"),
    "a digest that is none": ("chain", certified(region="sha256:"), "CEP-E3"),
    "a seed that is too large": ("chain", certified(seed=str(2**64)), "CEP-E3"),
    "integers below nothing": ("chain", certified(integers_below="0"), "CEP-E3"),
    "a member too many": ("chain", certified(more="1"), "CEP-E3"),
    "a member too few": ("chain", certified(seed=...), "CEP-E3"),
    "another type": ("chain", certified(samples="b"), "CEP-E3"),
    "spaces": (
        "chain",
        entry(inline=base64.b64encode(b'{ "worst": "0" }').decode()),
        "CEP-E3",
    ),
    "not JSON": ("chain", entry(inline=base64.b64encode(b"{").decode()), "CEP-E3"),
    "a checker that is unknown": ("chain", entry(checker="somebody"), "CEP-I4"),
    "a kind that is unknown": ("chain", entry(kind="rumour"), "CEP-I4"),
    "evidence elsewhere": (
        "chain",
        but(at("evidence/0/inline", ...), at("evidence/0/digest", "sha256:" + "0" * 64)),
        "CEP-I4",
    ),
    "an artifact that is not listed": ("chain", but(at("artifacts/0/digest", "sha256:" + "1" * 64)),
                                       "CEP-I6"),
    "a step that is not there": ("chain", entry(subject_steps=[3]), "CEP-I6"),
    "features that are not declared": ("chain", but(at("features", ...)), "CEP-I4"),
}  # fmt: skip


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED)
def test_artifacts_that_fit_are_accepted(change):
    assert refused_by("chain", change) == []


@pytest.mark.parametrize(**test_cases(REFUSED))
def test_artifacts_that_do_not_fit_are_refused(base, change, codes):
    assert refused_by(base, change) == codes


def test_two_artifacts_of_one_digest_are_refused():
    def change(case):
        compiled(case)
        case.plan["artifacts"] *= 2

    assert refused_by("chain", change) == ["CEP-I6"]


def test_a_store_is_asked_for_the_code(tmp_path):
    store = Store(tmp_path)
    store.add(WEIGHTS_FILE)
    assert refused_by("chain", compiled, store=store) == ["CEP-I2"]
    assert store.add_artifact(CODE) == sha256(CODE)
    assert refused_by("chain", compiled, store=store) == []
    store.artifact_path(sha256(CODE)).write_bytes(CODE + b"!")
    assert refused_by("chain", compiled, store=store) == ["CEP-I2"]


def test_without_a_store_a_warning_says_that_the_code_was_not_checked():
    report = mutated("chain", compiled).verify()
    assert report.ok
    assert "the artifacts were not checked" in str(report.diagnostics)


def test_a_certificate_survives_its_one_form():
    case = mutated("chain", compiled)
    (evidence,) = Plan.from_json(case.plan).evidence
    assert Certificate.of(evidence).to_bytes() == evidence.inline


def test_a_region_tells_at_which_place_a_weight_is_read():
    """Code that computes x less w of (x, w) computes w less x of (w, x)."""
    case = chain()
    case.plan["buffers"].append(buffer("w", "left", 256))
    weight, step = len(case.plan["buffers"]) - 1, case.plan["steps"][0]
    digests = []
    for reads in ([0], [0, weight], [weight, 0], [weight, 0, weight]):
        step["reads"] = reads
        digests.append(Regions(Plan.from_json(case.plan)).digest(0))
    assert len(set(digests)) == len(digests)
