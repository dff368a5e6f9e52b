"""The examples of spec/cep.md: the plan of annex A with all that belongs to it, read from the text.

Its digests depend on each other and on the opset. When one of them has changed, write them with
``python -m tests.cep.spec_example``. Graph digests are computed here from section 6 alone, without
the library's code.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

from acp.canonical import canonicalize, digest
from acp.dsse import CAPABILITY_DESCRIPTOR, PLAN, SYSTEM_DESCRIPTOR, sign
from acp.keys import PrivateKey
from acp.policy import Grant, TrustedKey, TrustPolicy
from cep.opset import opset_digest
from cep.reference import recompute
from cep.store import Store
from cep.verify import verify

SPEC = Path(__file__).resolve().parents[2] / "spec" / "cep.md"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
KEY = PrivateKey.generate()
ONES = {
    "target": "cep-core/1:full",
    "attributes": [
        {"name": "dtype", "dtype": "f32"},
        {"name": "fill_value", "integer": "1"},
        {"name": "size", "dims": {"items": ["4", "4"]}},
    ],
    "outputs": ["w"],
}
POLICY = TrustPolicy(
    spec="acp-trust/1",
    keys=(TrustedKey.of(KEY.public),),
    grants=(
        Grant(
            document_types=(CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR, PLAN),
            issuers=("example.com",),
            keyids=(KEY.public.keyid,),
        ),
    ),
)


def blocks(text):
    """Fenced blocks of the text by their id."""
    found = re.findall(r"^```\w+ id=(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return {name: content.removesuffix("\n") for name, content in found}


def rule_texts(text):
    """What section 12 says of each rule, by its id, in order."""
    section = text.partition("\n## 12. Rules\n")[2].partition("\n## 13.")[0]
    _, *parts = re.split(r"^\*\*(CEP-[A-Z]\d+)\*\* ", section, flags=re.MULTILINE)
    return list(zip(parts[::2], parts[1::2], strict=True))


def example(rule_text):
    """The example of a rule as a JSON value, or None where it is in words."""
    found = re.findall(r"^```json\n(.*?)^```$", rule_text, flags=re.MULTILINE | re.DOTALL)
    return json.loads(found[0]) if found else None


def patched(document, operations):
    """A copy of a document after a JSON Patch (RFC 6902) of add, replace and move."""
    result = copy.deepcopy(document)

    def place(path):
        *tokens, last = path.split("/")[1:]
        inner = result
        for token in tokens:
            inner = inner[int(token) if isinstance(inner, list) else token]
        return inner, last

    for operation in operations:
        value = operation.get("value")
        if operation["op"] == "move":
            inner, last = place(operation["from"])
            value = inner.pop(int(last))
        inner, last = place(operation["path"])
        if isinstance(inner, dict):
            assert operation["op"] == "add" or last in inner
            inner[last] = value
        elif operation["op"] == "replace":
            inner[int(last)] = value
        else:
            inner.insert(len(inner) if last == "-" else int(last), value)
    return result


def graph_lines(document):
    """What section 6 writes down: each form with the numbers it gives, and the graph's digest."""
    types = {v["id"]: [v["dtype"], v.get("shape", [])] for v in document["values"]}
    constants = {c["value"]: c["digest"] for c in document.get("constants", [])}
    makers = {value: op for op in document["ops"] for value in op["outputs"]}
    numbers = {entry["value"]: n for n, entry in enumerate(document["inputs"])}
    lines = [[None, dict(numbers)]]
    written = {}

    def visit(value):
        if value in numbers:
            return
        if value in constants:
            form, results = ["const", constants[value], types[value]], [value]
        else:
            op = makers[value]
            for operand in op.get("inputs", []):
                visit(operand)
            operands, results = [numbers[v] for v in op.get("inputs", [])], op["outputs"]
            form = ["op", op["target"], op.get("attributes", []), operands, len(results)]
        if json.dumps(form) not in written:
            free = len(document["inputs"]) + sum(map(len, written.values()))
            written[json.dumps(form)] = range(free, free + len(results))
            lines.append([form, dict(zip(results, written[json.dumps(form)], strict=True))])
        numbers.update(zip(results, written[json.dumps(form)], strict=True))

    for entry in document["outputs"]:
        visit(entry["value"])
    graph = {
        "opsets": document["opsets"],
        "symbols": document.get("symbols", []),
        "inputs": [[entry["name"], types[entry["value"]]] for entry in document["inputs"]],
        "expressions": [form for form, _ in lines[1:]],
        "outputs": [[entry["name"], numbers[entry["value"]]] for entry in document["outputs"]],
    }
    return [*lines, [graph, digest(graph)]]


def weights(text):
    """The bytes of the file of weights."""
    return bytes.fromhex(blocks(text)["weights"])


def signed(document, kind, key=KEY):
    """A document in its envelope."""
    return sign(canonicalize(document), kind, [key]).to_bytes()


def descriptors(text):
    """The descriptor and the system in their envelopes."""
    found = blocks(text)
    return [
        signed(json.loads(found["descriptor"]), CAPABILITY_DESCRIPTOR),
        signed(json.loads(found["system"]), SYSTEM_DESCRIPTOR),
    ]


def judge(text, envelope, directory, now=NOW, **options):
    """The verdict on a plan in its envelope, with the documents of annex A."""
    store = Store(directory)
    store.add(weights(text))
    return verify(
        envelope,
        policy=POLICY,
        now=now,
        **{"store": store, "descriptors": descriptors(text), "recompute": recompute} | options,
    )


def refreshed(text):
    """The text with all digests as they must be."""
    data = weights(text)
    size = 8 + int.from_bytes(data[:8], "little")
    plan = json.loads(blocks(text)["plan"])
    text = _renamed(text, plan["constants"][0]["digest"], _sha256(data[size:]))
    text = _renamed(text, plan["constants"][0]["store_digest"], _sha256(data))
    text = _renamed(text, plan["opsets"][0]["schema_digest"], opset_digest())
    described = digest(json.loads(blocks(text)["descriptor"]))
    text = _renamed(text, plan["devices"][0]["descriptor_digest"], described)
    for rule in ("C2", "E4", None):
        plan = json.loads(blocks(text)["plan"])
        old = plan["source"]["graph_digest"]
        if rule is not None:
            pattern = rf"CEP-{rule}\*\*.*?graph_digest\", \"value\": \"(sha256:\w+)"
            old = re.search(pattern, text, flags=re.DOTALL)[1]
        if rule == "C2":
            plan["ops"][1]["target"] = "cep-core/1:neg"
        if rule == "E4":
            plan = patched(plan, [{"op": "add", "path": "/ops/0", "value": ONES}])
            plan["constants"] = []
        text = _renamed(text, old, graph_lines(plan)[-1][1])
    lines = "\n".join(json.dumps(line) for line in graph_lines(plan))
    return text.replace(blocks(text)["digests"], lines)


def _sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _renamed(text, old, new):
    return text.replace(old, new)


if __name__ == "__main__":
    SPEC.write_text(refreshed(SPEC.read_text(encoding="utf-8")), encoding="utf-8")
