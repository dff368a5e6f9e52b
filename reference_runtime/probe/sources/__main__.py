"""Asks one source and prints what it answers: ``python -m reference_runtime.probe.sources NAME``.

Standard output has one JSON object and nothing else, whatever a driver's library prints.
"""

from __future__ import annotations

import json
import os
import sys

from reference_runtime.probe.sources import SOURCES, find
from reference_runtime.probe.sources.found import NothingFoundError


def main() -> None:
    """Answer."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    (source,) = sys.argv[1:]
    if source not in SOURCES:
        raise SystemExit(f"no source {source!r}; there are {', '.join(SOURCES)}")
    try:
        said: dict[str, object] = {"found": [one.to_json() for one in find(source)]}
    except NothingFoundError as nothing:
        said = {"nothing": str(nothing)}
    except Exception as error:  # noqa: BLE001 - whatever a driver's library raises is its answer
        said = {"nothing": f"the library fails: {type(error).__name__}: {error}"}
    with answer:
        json.dump(said, answer)


main()
