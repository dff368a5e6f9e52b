"""How a family of rules is tested: named changes of accepted plans, each with what they break."""

from __future__ import annotations

from tests.cep.plans import BASES, errors, mutated


def refused_by(base, change, **kwargs):
    """The codes that refuse a base plan after a change."""
    report = mutated(base, change).verify(**kwargs)
    assert report.ok == (not errors(report))
    return errors(report)


def test_cases(cases):
    """Parameters of a test from a dictionary of name: (base, change, code or codes)."""
    assert {base for base, _, _ in cases.values()} <= set(BASES)
    return {
        "argnames": ("base", "change", "codes"),
        "argvalues": [
            (base, change, [codes] if isinstance(codes, str) else sorted(codes))
            for base, change, codes in cases.values()
        ],
        "ids": list(cases),
    }


test_cases.__test__ = False
