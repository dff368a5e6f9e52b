"""The main job from beginning to end, on this machine, with a real model and real text.

Every step is an ordinary command that is printed before it runs, so that it can be repeated by
hand. Everything is written to ``out/demo``, which is made anew.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUT = Path("out/demo")
BIN = Path(sys.executable).parent
EXAMPLE = HERE.relative_to(ROOT)
QUESTIONS = (
    "What happens when two steps touch the same bytes and nothing orders them?",
    "How can I tell that a performance number was really measured?",
)


def say(title: str) -> None:
    """Print a headline."""
    print(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n{title}", flush=True)


def call(*words: str | Path, refuses: bool = False) -> None:
    """Print a command and run it.

    Raises:
        SystemExit: The command failed, or did not refuse what it should.
    """
    line = [str(word) for word in words]
    print(f"$ {shlex.join(line)}", flush=True)
    program = sys.executable if line[0] == "python" else str(BIN / line[0])
    began = time.monotonic()
    code = subprocess.run([program, *line[1:]], check=False, cwd=ROOT).returncode
    print(f"# {time.monotonic() - began:.1f} s", flush=True)
    if code != (1 if refuses else 0):
        raise SystemExit(f"the command ended with exit status {code}")


def trust() -> None:
    """Make keys for the three parties, and a policy that says who may sign what."""
    say("1. Keys and trust: who may sign what")
    parties = {
        "vendor": ("capability-descriptor", "system-descriptor", "measurement-record"),
        "planner": ("plan",),
        "operator": ("receipt",),
    }
    for number, (party, kinds) in enumerate(parties.items()):
        call("acp", "keygen", "-o", OUT / f"{party}.pem")
        types = [word for kind in kinds for word in ("--type", kind)]
        grant = ["--key", OUT / f"{party}.pub.pem", "--issuer", f"{party}.example", *types]
        if number == 0:
            policy = ["-o", OUT / "policy.json", "--adapter", "acp-cep"]
            call("acp", "policy", "create", *grant, *policy)
        else:
            call("acp", "policy", "add", OUT / "policy.json", *grant)


def describe() -> None:
    """Probe the devices, validate and sign what was found."""
    say("2. What can this machine do? Probe, validate, sign")
    devices = OUT / "devices"
    call("acp", "probe", "-o", devices, "--issuer", "vendor.example")
    call("acp", "validate", devices)
    for file in sorted((ROOT / devices).glob("*.json")):
        signed = OUT / "descriptors" / f"{file.stem}.dsse.json"
        (ROOT / signed).parent.mkdir(exist_ok=True)
        call("acp", "sign", devices / file.name, "--key", OUT / "vendor.pem", "-o", signed)


def plan() -> None:
    """Export the model; compile, verify and sign two plans."""
    say("3. From a model to signed plans")
    call("python", EXAMPLE / "encoder.py", OUT / "model.pt2")
    known = ["--descriptors", OUT / "descriptors", "--policy", OUT / "policy.json"]
    for name, regions in (("plan", "spread"), ("plan-one", "one")):
        model = OUT / ("model.pt2" if name == "plan" else "graph.json")
        extra = ["--graph", OUT / "graph.json"] if name == "plan" else []
        call(
            "cep", "compile", model, "--system", OUT / "devices" / "system.json",
            "--descriptors", OUT / "devices", "-o", OUT / f"{name}.json", "--regions", regions,
            "--size", "s0=32", "--size", "s1=64", "--issuer", "planner.example", *extra,
        )  # fmt: skip
        call("cep", "verify", OUT / f"{name}.json", "--unsigned", *known)
        key = ["--key", OUT / "planner.pem"]
        call("cep", "sign", OUT / f"{name}.json", *key, "-o", OUT / f"{name}.dsse.json")
    call("cep", "show", OUT / "plan.dsse.json")


def refuse() -> None:
    """Show plans that the verifier refuses."""
    say("4. Plans that must not run, and why")
    call("python", EXAMPLE / "break_plan.py", OUT / "plan.json", OUT / "broken")
    known = ["--descriptors", OUT / "descriptors", "--policy", OUT / "policy.json"]
    store = ["--store", OUT / "store"]
    for file in sorted((ROOT / OUT / "broken").glob("*.json")):
        broken = OUT / "broken" / file.name
        call("cep", "verify", broken, "--unsigned", *known, *store, refuses=True)


def run() -> None:
    """Run the plan over the paragraphs of the specification, check the receipt, answer."""
    say("5. Run it over real text, and check the receipt")
    texts = sorted(p.relative_to(ROOT) for p in (ROOT / "spec").glob("*.md"))
    call("python", EXAMPLE / "paragraphs.py", OUT / "inputs", *texts, "--", *QUESTIONS)
    files = sorted(p.relative_to(ROOT) for p in (ROOT / OUT / "inputs").glob("*.npz"))
    inputs = [word for file in files for word in ("--inputs", file)]
    written = ["--outputs", OUT / "embeddings.npz", "--receipt", OUT / "receipt.dsse.json"]
    call(
        "cep", "run", OUT / "plan.dsse.json", *inputs, *written, "--key", OUT / "operator.pem",
        "--timeline", OUT / "timeline.json",
    )  # fmt: skip
    receipt = [OUT / "receipt.dsse.json", "--plan", OUT / "plan.dsse.json"]
    call("cep", "receipt", "verify", *receipt, "--policy", OUT / "policy.json")
    timeline = ["--timeline", OUT / "timeline.json", "-o", OUT / "report.html"]
    call("cep", "report", *receipt, *timeline)

    say("6. What came out")
    call(
        "python", EXAMPLE / "answer.py", OUT / "inputs", OUT / "embeddings.npz",
        str(len(QUESTIONS)),
    )  # fmt: skip
    call("python", EXAMPLE / "latency.py", OUT)


def main() -> None:
    """Run every step."""
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["PYTHONWARNINGS"] = "ignore"
    began = time.monotonic()
    shutil.rmtree(ROOT / OUT, ignore_errors=True)
    (ROOT / OUT).mkdir(parents=True)
    trust()
    describe()
    plan()
    refuse()
    run()
    say(f"Done in {time.monotonic() - began:.0f} s. The run report: {OUT / 'report.html'}")


if __name__ == "__main__":
    main()
