"""What a run says: to people as a table, to machines as JSON, to CI as JUnit XML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from xml.etree import ElementTree as ET

from conformance.protocol import SPEC, Json, check
from conformance.runner import Result, Run, Status, Verdict


def as_json(run: Run, *, level: str, areas: Sequence[str]) -> Json:
    """Return the report as report.schema.json defines it."""
    requirements: dict[str, Counter[str]] = {}
    for one in run.results:
        for code in one.case.requires:
            requirements.setdefault(code, Counter())[one.status.value] += 1
    report: Json = {
        "suite": {
            "version": _version(),
            "spec": SPEC,
            "vectors_digest": run.suite.digest,
            "seed": run.seed,
        },
        "selection": {"level": level, "areas": list(areas)},
        "implementation": run.implementation,
        "verdict": run.verdict.value,
        "reason": run.reason,
        "counts": {
            "selected": len(run.selected),
            "executed": run.executed,
            "by_status": dict(Counter(one.status.value for one in run.results)),
            "restarts": run.restarts,
        },
        "profiles": run.profiles,
        "requirements": {code: dict(requirements[code]) for code in sorted(requirements)},
        "cases": [
            {
                "id": one.case.id,
                "area": one.case.area,
                "level": one.case.level,
                "requires": list(one.case.requires),
                "status": one.status.value,
                "reason": one.reason,
                "seconds": round(one.seconds, 6),
            }
            for one in run.results
        ],
    }
    check("report", report)
    return report


def as_junit(run: Run) -> bytes:
    """Return the report as JUnit XML: a test suite for each area, a test case for each case."""
    root = ET.Element("testsuites", name="acp-conformance")
    for area, results in _by_area(run).items():
        count = Counter(one.status for one in results)
        failures = count[Status.FAILED] + count[Status.BLOCKED]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=area,
            tests=str(len(results)),
            failures=str(failures),
            errors=str(count[Status.ERROR] + count[Status.NOT_RUN]),
            skipped=str(count[Status.UNSUPPORTED] + count[Status.EXPECTED]),
            time=f"{sum(one.seconds for one in results):.6f}",
        )
        for one in results:
            case = ET.SubElement(
                suite,
                "testcase",
                classname=f"{area}.{'.'.join(one.case.requires)}",
                name=one.case.id,
                time=f"{one.seconds:.6f}",
            )
            if tag := _JUNIT.get(one.status):
                reason = "".join(c if c.isprintable() else "?" for c in one.reason)
                ET.SubElement(case, tag, message=reason, type=one.status.value)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


_JUNIT = {
    Status.FAILED: "failure",
    Status.BLOCKED: "failure",
    Status.ERROR: "error",
    Status.NOT_RUN: "error",
    Status.UNSUPPORTED: "skipped",
    Status.EXPECTED: "skipped",
}


def as_text(run: Run, *, areas: Sequence[str] = ()) -> str:
    """Return the report for people: a table by area, and each case that did not pass.

    Args:
        run: The run.
        areas: Areas that it was limited to; no profile can be judged by some of its areas.
    """
    return "\n".join(_lines(run, areas))


def _lines(run: Run, areas: Sequence[str]) -> Iterator[str]:
    said = run.implementation
    if said:
        it = said["implementation"]
        yield f"{it['name']} {it['version']} ({it['language']})"
    if run.verdict is not Verdict.STOPPED:
        yield ""
        yield from _table(run)
    bad = [one for one in run.results if one.status not in (Status.PASSED, Status.UNSUPPORTED)]
    if bad and run.verdict is not Verdict.STOPPED:
        yield ""
        for one in bad:
            yield f"{one.status.value}: {one.case.id} ({', '.join(one.case.requires)})"
            yield f"    {_printable(one.reason)}"
            if one.case.sibling:
                yield f"    mutation: {one.case.data['mutation']}"
            yield f"    why: {one.case.data['why']}"
    yield ""
    if areas and run.profiles:
        yield "profiles are not judged: a run with --area leaves out what they need"
    for profile, conforms in () if areas else run.profiles.items():
        yield f"profile {profile}: {'conforms' if conforms else 'does not conform'}"
    summary = f"{run.executed} of {len(run.selected)} cases executed, seed {run.seed}"
    if run.restarts:
        summary += f", {run.restarts} restarts"
    yield summary
    yield f"{run.verdict.value}{': ' + _printable(run.reason) if run.reason else ''}"


def _table(run: Run) -> Iterator[str]:
    shown = [s for s in Status if any(one.status is s for one in run.results)]
    rows = [["area", "cases", *(s.value for s in shown)]]
    for area, results in [*_by_area(run).items(), ("all", list(run.results))]:
        count = Counter(one.status for one in results)
        rows.append([area, str(len(results)), *(str(count[s]) for s in shown)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        name, *numbers = (
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([name, *numbers]).rstrip()


def _by_area(run: Run) -> dict[str, list[Result]]:
    areas: dict[str, list[Result]] = {}
    for one in run.results:
        areas.setdefault(one.case.area, []).append(one)
    return areas


def _printable(text: str) -> str:
    """Return what an implementation said without what could act on a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def _version() -> str:
    try:
        return version("acp-cep")
    except PackageNotFoundError:
        return "unknown"
