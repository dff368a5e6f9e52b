"""What several benchmarks need: keys, trust, probed devices, plans of the sentence encoder."""

from __future__ import annotations

import logging
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "sentence_search"
BIN = Path(sys.executable).parent
PARTY = "bench.example"
KINDS = ("capability-descriptor", "system-descriptor", "measurement-record", "plan", "receipt")
SLOTS = ("torch-cpu", "onnxruntime-cpu", "openvino-cpu")


@dataclass(frozen=True, slots=True)
class Workbench:
    """A folder with a key, a policy, signed descriptors and an exported model.

    Attributes:
        folder: Where everything is.
        quick: Take a few rounds only.
    """

    folder: Path
    quick: bool = False

    def rounds(self, wanted: int) -> int:
        """Return how often to measure something that should be measured `wanted` times."""
        return min(wanted, max(3, wanted // 10)) if self.quick else wanted

    def set_up(self) -> None:
        """Probe the devices and export the model; a quick run takes what an earlier one left."""
        folder = self.folder
        if self.quick and (folder / "model.pt2").exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        run("acp", "keygen", "-o", folder / "key.pem")
        types = [word for kind in KINDS for word in ("--type", kind)]
        run(
            "acp", "policy", "create", "--key", folder / "key.pub.pem", "--issuer", PARTY, *types,
            "--adapter", "acp-cep", "-o", folder / "policy.json",
        )  # fmt: skip
        run("acp", "probe", "-o", folder / "devices", "--issuer", PARTY)
        (folder / "descriptors").mkdir()
        for file in sorted((folder / "devices").glob("*.json")):
            signed = folder / "descriptors" / f"{file.stem}.dsse.json"
            run("acp", "sign", file, "--key", folder / "key.pem", "-o", signed)
        run("python", EXAMPLE / "encoder.py", folder / "model.pt2")

    def plan(self, name: str, *options: str) -> Path:
        """Compile and sign a plan of the model; return its file."""
        model = self.folder / "graph.json"
        extra: list[str | Path] = []
        if not model.exists():
            model, extra = self.folder / "model.pt2", ["--graph", model]
        bare, signed = self.folder / f"{name}.json", self.folder / f"{name}.dsse.json"
        run(
            "cep", "compile", model, "--system", self.folder / "devices" / "system.json",
            "--descriptors", self.folder / "devices", "-o", bare, "--issuer", PARTY, *extra,
            *options,
        )  # fmt: skip
        run("cep", "sign", bare, "--key", self.folder / "key.pem", "-o", signed)
        return signed

    def descriptors(self) -> list[bytes]:
        """Return the signed descriptors."""
        return [f.read_bytes() for f in sorted((self.folder / "descriptors").glob("*.json"))]


def run(*words: str | Path) -> None:
    """Run a command of this project, quietly.

    Raises:
        SystemExit: It failed.
    """
    line = [str(word) for word in words]
    program = sys.executable if line[0] == "python" else str(BIN / line[0])
    done = subprocess.run([program, *line[1:]], check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)} failed:\n{done.stdout}{done.stderr}")


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warm: int = 5,
    burst: int = 1,
    ordered: bool = False,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> dict[str, list[int]]:
    """Return the times of each call in nanoseconds, taken in turns so that all see one machine.

    Args:
        calls: What to measure.
        rounds: How often each has its turn.
        warm: Rounds before, which do not count.
        burst: Calls a turn. Of several the first does not count: it finds the caches full of what
            others left there, where a program that calls one thing again and again does not.
        ordered: Keep the order of the calls, because one needs what another did. Otherwise each
            round has another order, since what follows itself is faster.
        clock: What tells the time, in nanoseconds.
    """
    dice = random.Random(0)  # noqa: S311 - an order, not a secret
    times: dict[str, list[int]] = {name: [] for name in calls}
    names = list(calls)
    for number in range(rounds + warm):
        for name in names if ordered else dice.sample(names, len(names)):
            for turn in range(burst):
                began = clock()
                calls[name]()
                taken = clock() - began
                if number >= warm and (turn or burst == 1):
                    times[name].append(taken)
    return times


def paired_ratio(times: Sequence[float], base: Sequence[float]) -> float:
    """Return the median over the rounds of how many times as long as the base it took."""
    return statistics.median(t / b for t, b in zip(times, base, strict=True))


def paired_difference(times: Sequence[float], base: Sequence[float]) -> float:
    """Return the median over the rounds of how much longer than the base it took."""
    return statistics.median(t - b for t, b in zip(times, base, strict=True))


def summary(times: Sequence[int]) -> dict[str, int]:
    """Return median, 5th and 95th percentile in nanoseconds."""
    cuts = statistics.quantiles(times, n=20, method="inclusive") if len(times) > 1 else times
    return {
        "p5_ns": round(cuts[0]),
        "p50_ns": round(statistics.median(times)),
        "p95_ns": round(cuts[-1]),
        "n": len(times),
    }


def machine() -> dict[str, object]:
    """Return what the numbers depend on."""
    packages = {}
    for name in ("acp-cep", "torch", "onnxruntime", "openvino", "numpy", "msgspec", "protobuf"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": packages,
    }


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say what is measured, and how long it took."""
    print(f"{what} …", flush=True, file=sys.stderr)
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.0f} s", file=sys.stderr)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' warnings and logs, which are about themselves, off the terminal."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
