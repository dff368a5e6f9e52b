"""The named string formats of (acp.v1.rules).format: one table for every output.

Patterns are in the common ground of ECMA-262, Rust's regex and Python's re: no look-around, no
back-references, no class whose meaning depends on Unicode. They are anchored when they are emitted.
"""

from __future__ import annotations

from dataclasses import dataclass

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
_TOKEN = rf"(?:{_DOMAIN}/)?[a-z0-9][a-z0-9._-]*"
_LEAP_YEAR = "(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|1[26]|[3579][26])00)"
_DAY = (
    "(?:(?:[1-9][0-9]{3})-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP_YEAR}-02-29)"
)
_SUBNORMAL = "|".join(f"0{{{zeros}}}[1-9a-f][0-9a-f]{{{12 - zeros}}}" for zeros in range(13))
_EXPONENT = (
    r"(?:\+(?:0|[1-9][0-9]{0,2}|10[01][0-9]|102[0-3])|-(?:[1-9][0-9]{0,2}|10[01][0-9]|102[0-2]))"
)


@dataclass(frozen=True, slots=True)
class Format:
    """One string format.

    Attributes:
        python_name: Name of its type in Python.
        hint: What is allowed, to end the sentence "allowed is …".
        pattern: Regular expression for the whole string; empty where `constant` says it all.
        constant: The only allowed string.
        min_length: Fewest characters.
        max_length: Most characters, where the field says nothing else.
    """

    python_name: str
    hint: str
    pattern: str = ""
    constant: str = ""
    min_length: int = 1
    max_length: int = 256

    @property
    def anchored(self) -> str:
        """Return the pattern with both ends fixed."""
        return f"^(?:{self.pattern})$"


FORMATS = {
    "digest": Format(
        "Digest",
        "`sha256:` and 64 lower-case hexadecimal digits",
        "sha256:[0-9a-f]{64}",
        max_length=71,
    ),
    "dim": Format(
        "Dim",
        "an integer polynomial over symbols in canonical form, such as `128` or `2*s0 + 1`",
        "[a-z0-9_*^+ -]+",
        max_length=512,
    ),
    "domain": Format(
        "Domain",
        "a lower-case DNS name of two or more labels, such as `example.com`",
        _DOMAIN,
        max_length=253,
    ),
    "dtype": Format("Dtype", "a lower-case token such as `f16`, or `vendor-domain/token`", _TOKEN),
    "hexfloat": Format(
        "HexFloat",
        "a float as C99's %a writes it with 13 digits, such as `0x1.8000000000000p+1`, `0x0.0p+0`, "
        "`inf`, `-inf` or `nan`",
        rf"-?0x1\.[0-9a-f]{{13}}p{_EXPONENT}|-?0x0\.(?:{_SUBNORMAL})p-1022|-?0x0\.0p\+0|-?inf|nan",
        max_length=32,
    ),
    "id": Format(
        "Id",
        "a name of at most 256 letters, digits and `_.:/-` that begins with a letter, digit or `_` "
        "and has no `..`",
        r"[A-Za-z0-9_](?:\.?[A-Za-z0-9_:/-])*\.?",
    ),
    "op": Format(
        "OpName",
        "an operation with its opset, such as `cep-core/1:add.Tensor`",
        rf"{_TOKEN}/[1-9][0-9]{{0,8}}:[A-Za-z_][A-Za-z0-9_.]*",
    ),
    "pointer": Format(
        "Pointer",
        "a JSON Pointer (RFC 6901) such as `/engines/0/rates`, or the empty string for the "
        "whole document",
        "(?:/(?:[^~/]|~[01])*)*",
        min_length=0,
        max_length=2048,
    ),
    "receipt_type": Format("ReceiptType", "`urn:cep:receipt:1`", constant="urn:cep:receipt:1"),
    "sparsity": Format(
        "Sparsity",
        "`dense`, or n:m such as `2:4`",
        "dense|[1-9][0-9]{0,3}:[1-9][0-9]{0,3}",
        max_length=16,
    ),
    "spec_acp": Format("SpecAcp", "`acp/1`", constant="acp/1"),
    "spec_cep": Format("SpecCep", "`cep/1`", constant="cep/1"),
    "statement_type": Format(
        "StatementType",
        "`https://in-toto.io/Statement/v1`",
        constant="https://in-toto.io/Statement/v1",
    ),
    "symbol": Format(
        "SymbolName",
        "a lower-case name of at most 32 letters, digits and `_` that begins with a letter",
        "[a-z][a-z0-9_]*",
        max_length=32,
    ),
    "timestamp": Format(
        "Timestamp",
        "an RFC 3339 instant in UTC with whole seconds, such as `2026-11-20T09:00:00Z`",
        f"{_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z",
        max_length=20,
    ),
    "token": Format(
        "Token",
        "a token of lower-case letters, digits and `._-`, or `vendor-domain/token`",
        _TOKEN,
    ),
    "uri": Format(
        "Uri",
        "an absolute URI (RFC 3986) with a lower-case scheme",
        r"[a-z][a-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+",
        max_length=2048,
    ),
}


def decimal_pattern(lowest: int, highest: int) -> str:
    """Return the pattern of the decimal strings from `lowest`, at most 1, to `highest`."""
    alternatives = [] if lowest > 0 else ["0"]
    if lowest < 0:
        alternatives.append(f"-(?:{_up_to(-lowest)})")
    alternatives.append(_up_to(highest))
    return f"^(?:{'|'.join(alternatives)})$"


def _up_to(highest: int) -> str:
    """Return the pattern of the decimal strings from 1 to `highest`, without leading zeros."""
    digits = str(highest)
    alternatives = [f"[1-9][0-9]{{0,{len(digits) - 2}}}"]
    for place, digit in enumerate(digits):
        first = 1 if place == 0 else 0
        if int(digit) > first:
            rest = len(digits) - place - 1
            span = f"[{first}-{int(digit) - 1}]"
            alternatives.append(digits[:place] + span + (f"[0-9]{{{rest}}}" if rest else ""))
    alternatives.append(digits)
    return "|".join(alternatives)
