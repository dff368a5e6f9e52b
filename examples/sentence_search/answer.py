"""Embeddings to answers, and to the largest difference from PyTorch eager.

    python answer.py IN_DIR OUTPUTS.npz QUESTIONS

IN_DIR holds the batches that `paragraphs.py` wrote, OUTPUTS.npz what `cep run` made of them.
QUESTIONS is the number of texts, from the first on, that are questions.
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

import numpy as np
from encoder import encoder

BEST = 3
MOST = 1e-5
"""Largest difference that is taken for rounding; the budget that the plan states is larger."""


def embeddings(folder: Path, outputs: Path) -> tuple[list[str], np.ndarray]:
    """Return the texts and their embeddings, in the order of the texts."""
    index = json.loads((folder / "texts.json").read_text())
    with np.load(outputs, allow_pickle=False) as arrays:
        names = sorted(arrays.files, key=lambda name: int(name.split("/")[0]))
        rows = np.concatenate([arrays[name] for name in names])
    found = np.empty_like(rows)
    found[index["rows"]] = rows
    return index["texts"], found


def largest_difference(folder: Path, found: np.ndarray) -> float:
    """Return the largest absolute difference between `found` and the model run by PyTorch."""
    import torch

    model, expected = encoder(), []
    with torch.inference_mode():
        for file in sorted(folder.glob("*.npz")):
            with np.load(file, allow_pickle=False) as batch:
                inputs = [torch.from_numpy(batch[n]) for n in ("input_ids", "attention_mask")]
            expected.append(model(*inputs)["embedding"].numpy())
    rows = json.loads((folder / "texts.json").read_text())["rows"]
    return float(np.abs(found[rows] - np.concatenate(expected)).max())


def main() -> None:
    """Print the best paragraphs for each question, and how far the numbers are from eager."""
    folder, outputs, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    texts, found = embeddings(folder, outputs)
    for question in range(count):
        scores = found[count:] @ found[question]
        print(f"\n  {texts[question]}")
        for place in np.argsort(-scores)[:BEST]:
            text = textwrap.shorten(texts[count + place], 240, placeholder=" …")
            print(
                textwrap.fill(
                    text,
                    96,
                    initial_indent=f"    {scores[place]:.3f}  ",
                    subsequent_indent=" " * 11,
                )
            )
    difference = largest_difference(folder, found)
    print(f"\n  {len(texts)} texts; largest difference from PyTorch eager: {difference:.1e}")
    if difference > MOST:
        raise SystemExit(f"the difference is larger than {MOST:.0e}")


if __name__ == "__main__":
    main()
