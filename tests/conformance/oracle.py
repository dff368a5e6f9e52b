"""A testee that knows every answer, and gets those to the key cases wrong as it is told to.

It is run as a program: ``oracle.py VECTORS DEFECT``. It uses nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

FEATURES = ["json", "keys", "ecdsa-p256", "descriptor"]
DETAILS = {"id", "cmd"}


def question(request):
    return json.dumps({k: v for k, v in request.items() if k not in DETAILS}, sort_keys=True)


def load(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    answers = {}
    for entry in manifest["cases"]:
        case = json.loads((folder / entry["file"]).read_text())
        members = {"type", "input", "now", "policy", "understood", "status_lists", "descriptors"}
        members |= {"operation", "plan", "store", "inputs", "outputs", "binding"}
        members |= {"known", "records", "references"}
        answers[question({k: v for k, v in case.items() if k in members})] = case
    return answers


def right(case):
    expect = case["expect"]
    if case["feature"] not in FEATURES:
        return {"reply": "unsupported", "feature": case["feature"]}
    if expect["outcome"] == "accepted":
        return {"reply": "accepted", "digest": expect["digest"]}
    if expect["outcome"] == "warned":
        return {"reply": "accepted", "digest": expect["digest"], "warnings": expect["codes"]}
    return {"reply": "rejected", "phase": expect["phases"][0], "codes": expect["codes"][:1]}


def wrong(defect, case):  # noqa: C901, PLR0911, PLR0912 - one branch a defect
    answer = right(case)
    bad = answer["reply"] == "rejected"
    if defect == "silent":
        time.sleep(60)
    elif defect == "garbage":
        return "Traceback (most recent call last):"
    elif defect == "half-a-line":
        sys.stdout.write('{"id": ')
        sys.stdout.flush()
        os._exit(0)
    elif defect == "oversize":
        return "x" * (2 << 20)
    elif defect == "dies" and bad:
        sys.stderr.write("out of luck\n")
        os._exit(9)
    elif defect == "unsupported":
        return {"reply": "unsupported", "feature": case["feature"]}
    elif defect == "error" and bad:
        return {"reply": "error", "message": "could not be bothered"}
    elif defect == "wrong-code" and bad:
        return {**answer, "codes": ["ENV-J1"]}
    elif defect == "every-code" and bad:
        return {**answer, "codes": ["ENV-J1", "ENV-K1", "CEP-M3"]}
    elif defect == "wrong-phase" and bad:
        return {**answer, "phase": "decode"}
    elif defect == "no-code" and bad:
        return {**answer, "codes": []}
    elif defect == "wrong-digest" and not bad:
        return {**answer, "digest": "sha256:" + "0" * 64}
    elif defect == "extra-member":
        return {**answer, "confidence": 0.9}
    elif defect == "wrong-id":
        return {"id": "0", **answer}
    elif defect == "twice":
        return [answer, answer]
    return answer


def greeting(defect):
    return {
        "reply": "hello",
        "protocol": 2 if defect == "other-protocol" else 1,
        "implementation": {"name": "oracle", "version": "1", "language": "Python"},
        "spec_versions": ["9"] if defect == "other-spec" else ["1"],
        "profiles": ["acp-reader/1"] if defect == "hollow-profile" else [],
        "features": {"no-features": [], "odd-feature": ["levitation"]}.get(defect, FEATURES),
    }


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main():
    answers = load(Path(sys.argv[1]))
    defect = sys.argv[2]
    if defect == "stillborn":
        sys.exit(3)
    if defect == "dies-after-restart":
        mark = Path(sys.argv[3])
        if mark.exists():
            sys.exit(4)
    for line in sys.stdin:
        request = json.loads(line)
        if request["cmd"] == "hello":
            say(json.dumps(greeting(defect)))
            continue
        case = answers[question(request)]
        # The smoke pair of the feature `json` is answered well, so that the rest is reached.
        answer = wrong(defect, case) if case["area"] == "keys" else right(case)
        if defect == "dies-after-restart" and case["area"] == "keys":
            Path(sys.argv[3]).touch()
            sys.exit(5)
        if defect == "smoke-good" and case["id"] == "json-plain":
            answer = {"reply": "error", "message": "not today"}
        if defect == "smoke-bad" and case["id"] == "json-repeated-name":
            answer = {"reply": "accepted", "digest": "sha256:" + "0" * 64}
        for one in answer if isinstance(answer, list) else [answer]:
            say(one if isinstance(one, str) else json.dumps({"id": request["id"], **one}))


if __name__ == "__main__":
    main()
