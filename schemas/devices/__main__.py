"""Write the reference descriptors, or with ``--check`` say which differ from their tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from schemas.devices.catalogue import DEVICES, SLICES, SYSTEMS

FOLDER = Path(__file__).resolve().parents[2] / "acp" / "reference"


def compose() -> dict[Path, str]:
    """Return the text of every reference descriptor, by file."""
    return {FOLDER / f"{one.name}.json": one.text() for one in (*DEVICES, *SLICES, *SYSTEMS)}


def main(arguments: list[str] | None = None) -> int:
    """Run the writer; return 0, or 1 where a check finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m schemas.devices", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    options = parser.parse_args(arguments)
    texts = compose()
    stale = [file for file in FOLDER.glob("*/*.json") if file not in texts]
    changed = [file for file, text in texts.items() if _read(file) != text]
    if options.check:
        for file in (*changed, *stale):
            print(f"differs from what `make schemas` writes: {file.relative_to(FOLDER.parents[1])}")
        return 1 if changed or stale else 0
    for file in changed:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(texts[file], encoding="utf-8")
    for file in stale:
        file.unlink()
    print(f"{len(texts)} reference descriptors, {len(changed)} changed")
    return 0


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
