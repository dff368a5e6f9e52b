"""Streams of micro-batches: CEP-O4, and what other rules say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.author import plans

if TYPE_CHECKING:
    from conformance.author.book import Edit
    from conformance.author.plan_cases import Chapters


def write(chapters: Chapters) -> None:
    """Write the cases down."""
    lags = (
        ("/steps/0/waits", [{"queue": "copy", "epoch": 1, "lag": 2}]),
        ("/steps/1/waits/-", {"queue": "qr", "epoch": 1, "lag": 2}),
    )
    deck = plans.separate().edited(("/features", ["streams"]), _stream(4, 2), *lags)
    base = chapters.good(
        "plan-stream", "CEP-O4 CEP-M8", "a pipeline whose micro-batches overlap", deck
    )
    why = "a micro-batch overwrites what an earlier one still needs"
    base.bad(
        "stream-no-lag",
        "CEP-O4",
        "the left device does not wait for the copy",
        why,
        ("/steps/0/waits", ...),
    )
    base.bad(
        "stream-lag-too-long",
        "CEP-O4",
        "it waits for an earlier micro-batch",
        why,
        ("/steps/0/waits/0/lag", 3),
    )
    base.bad("stream-one-copy", "CEP-O4", "there is one copy", why, _stream(4, 1))
    base.bad(
        "stream-more-copies-than-batches",
        "CEP-O4",
        "there are more copies than micro-batches",
        "copies that nobody uses are a mistake",
        _stream(1, 2),
    )
    base.bad(
        "stream-lag-outside",
        "CEP-O4",
        "the plan is no stream",
        "a lag without micro-batches means nothing",
        ("/stream", ...),
    )
    base.bad(
        "stream-undeclared",
        "CEP-I4",
        "the feature is not declared",
        "a reader that knows no streams would run the plan once",
        ("/features", ...),
    )
    base.bad(
        "stream-cycle",
        "CEP-O1",
        "the wait is for the same micro-batch",
        "a step waits for what comes after it",
        ("/steps/0/waits/0/lag", ...),
    )
    base.bad(
        "stream-no-epoch",
        "CEP-O2",
        "the wait is for an epoch that its queue does not have",
        "an epoch that never comes, in any micro-batch",
        ("/steps/0/waits/0/epoch", 2),
    )
    peak = 2 * 4096 + 144
    promised = ("/constraints/peak_bytes", [{"device": "left", "bytes": str(peak)}])
    sheet = chapters.good("plan-stream-peak", "CEP-M8", "all copies count", deck.edited(promised))
    sheet.bad("stream-peak-exceeded", "CEP-M8", "a byte less is promised",
              "a promise for one copy is none for two",
              ("/constraints/peak_bytes/0/bytes", str(peak - 1)))  # fmt: skip
    for count, depth in ((1, 1), (2, 2), (4294967295, 2)):
        edits = [_stream(count, depth)]
        edits += [("/steps/0/waits", ...), ("/steps/1/waits/1", ...)] if count <= depth else []
        chapters.good(
            f"plan-stream-{count}-{depth}",
            "CEP-O4",
            "where no two micro-batches share a copy, none waits for another"
            if count <= depth
            else "how many micro-batches there are makes no difference",
            deck.edited(*edits),
        )


def _stream(microbatches: int, ring_depth: int) -> Edit:
    return ("/stream", {"microbatches": microbatches, "ring_depth": ring_depth})
