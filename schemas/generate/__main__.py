"""Write every generated file, or with ``--check`` say which differ from what would be written."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from schemas.generate.outputs import compose, drift, write

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run the generator; return 0, or 1 where a check finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    options = parser.parse_args(arguments)
    outputs = compose(ROOT)
    drifted = drift(ROOT, outputs)
    if options.check:
        for path in drifted:
            print(f"differs from what `make schemas` writes: {path}")
        return 1 if drifted else 0
    write(ROOT, outputs)
    print(f"{len(outputs)} files, {len(drifted)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
