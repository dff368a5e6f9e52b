"""Text to batches: the paragraphs of Markdown files, and questions, as token ids in ``.npz`` files.

python paragraphs.py OUT_DIR FILE.md... -- QUESTION...
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from encoder import MAX_BATCH, tokenizer

BATCH = 32
MIN_WORDS = 8


def paragraphs(markdown: str) -> list[str]:
    """Return the prose of a Markdown text, a paragraph a string, without code and tables."""
    text = re.sub(r"^(```|~~~).*?^\1", "", markdown, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    blocks = re.split(r"\n\s*\n|\n(?=[-*] |\d+\. )", text)
    found = [" ".join(block.split()) for block in blocks]
    return [
        re.sub(r"[*`]", "", block)
        for block in found
        if not block.startswith(("|", "#", "<")) and len(block.split()) >= MIN_WORDS
    ]


def batches(
    texts: Sequence[str], size: int = BATCH
) -> Iterable[tuple[list[int], dict[str, np.ndarray]]]:
    """Yield batches of similar length: the positions of the texts, and the model's inputs."""
    encoded = tokenizer().encode_batch(list(texts))
    order = sorted(range(len(texts)), key=lambda i: len(encoded[i].ids))
    for start in range(0, len(order), min(size, MAX_BATCH)):
        chosen = order[start : start + size]
        length = max(2, *(len(encoded[i].ids) for i in chosen))
        ids = np.zeros((len(chosen), length), np.int64)
        mask = np.zeros_like(ids)
        for row, i in enumerate(chosen):
            ids[row, : len(encoded[i].ids)] = encoded[i].ids
            mask[row, : len(encoded[i].ids)] = 1
        yield chosen, {"input_ids": ids, "attention_mask": mask}


def write(out: Path, texts: Sequence[str]) -> list[Path]:
    """Write the batches of some texts and what is in them; return the files of the batches."""
    out.mkdir(parents=True, exist_ok=True)
    files, rows = [], []
    for number, (chosen, inputs) in enumerate(batches(texts)):
        files.append(out / f"{number:03}.npz")
        np.savez(files[-1], **inputs)
        rows += chosen
    (out / "texts.json").write_text(json.dumps({"texts": list(texts), "rows": rows}))
    return files


if __name__ == "__main__":
    split = sys.argv.index("--")
    folder, sources, questions = Path(sys.argv[1]), sys.argv[2:split], sys.argv[split + 1 :]
    prose = [p for name in sources for p in paragraphs(Path(name).read_text(encoding="utf-8"))]
    written = write(folder, [*questions, *prose])
    print(f"{len(questions)} questions and {len(prose)} paragraphs in {len(written)} batches")
