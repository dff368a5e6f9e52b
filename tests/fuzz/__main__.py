"""Fuzz decoders, rules and the verifier: ``python -m tests.fuzz [--corpus documents]``."""

from __future__ import annotations

import argparse
import sys

from tests.fuzz.harness import CORPORA, fuzz, judged


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--corpus", choices=CORPORA, default="plans", help="what to start from")
    parser.add_argument("--inputs", type=int, default=20_000, help="how many (default: 20000)")
    parser.add_argument("--seed", type=int, default=1, help="which (default: 1)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--only", type=int, help="print one input, and judge it alone")
    asked = parser.parse_args()
    if asked.only is not None:
        sys.stdout.buffer.write(CORPORA[asked.corpus](asked.seed, asked.only).data + b"\n")
        tally = judged(asked.seed, [asked.only], asked.corpus)
    else:
        tally = fuzz(asked.inputs, asked.seed, workers=asked.workers, corpus=asked.corpus)
    for code, count in sorted(tally.codes.items()):
        print(f"{count:9} {code}")  # noqa: T201
    slow, at, what = tally.slowest
    print(f"slowest: input {at} ({what}), {slow / 1e6:.1f} ms")  # noqa: T201
    print(f"largest process: {tally.peak_bytes >> 20} MiB")  # noqa: T201
    print(f"failures: {len(tally.failures)}")  # noqa: T201
    for number, kind, problem in tally.failures:
        print(f"input {number} ({kind}): {problem}")  # noqa: T201
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
