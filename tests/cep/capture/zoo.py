"""Tiny models of the architectures that people run, with inputs: transformers, without weights.

Each entry makes a model that returns one tensor, and example inputs. Nothing is downloaded.
"""

from __future__ import annotations

import warnings
from functools import partial

import torch

IDS = torch.arange(16).reshape(2, 8) % 13 + 3
IMAGE = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)
LARGER = torch.linspace(-1, 1, 2 * 3 * 64 * 64).reshape(2, 3, 64, 64)
SOUND = torch.linspace(-1, 1, 2 * 8 * 40).reshape(2, 8, 40)
ONES = torch.ones_like(IDS)

SIZES = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4,
}  # fmt: skip
TOKENS = {"use_cache": False, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
DECODER = {**SIZES, **TOKENS, "num_key_value_heads": 2, "max_position_embeddings": 64}
VISION = {k: v for k, v in SIZES.items() if k != "vocab_size"} | {"image_size": 32, "patch_size": 8}


class One(torch.nn.Module):
    """A model with positional inputs and one of its outputs."""

    def __init__(self, model, inputs, output):
        super().__init__()
        self.model = model
        self.inputs = inputs
        self.output = output

    def forward(self, *values):
        return getattr(self.model(**dict(zip(self.inputs, values, strict=True))), self.output)


def made(model, config, inputs, output="logits", **sizes):
    """Make a model with small random weights, and its inputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

        torch.manual_seed(0)
        built = getattr(transformers, model)(getattr(transformers, config)(**sizes))
    return One(built, tuple(inputs), output).eval(), tuple(inputs.values())


def decoder(name, config=None, **sizes):
    config = config or f"{name}Config"
    return partial(made, f"{name}ForCausalLM", config, {"input_ids": IDS}, **DECODER | sizes)


def experts(name, **sizes):
    """A mixture of experts, each token's chosen by index: other kernels depend on the data."""

    def make():
        model, inputs = decoder(name, **sizes)()
        model.model.set_experts_implementation("batched_mm")
        return model, inputs

    return make


ZOO = {
    "GPT-2": partial(
        made, "GPT2LMHeadModel", "GPT2Config", {"input_ids": IDS},
        vocab_size=64, n_positions=64, n_embd=32, n_layer=2, n_head=4, **TOKENS,
    ),
    "Llama": decoder("Llama"),
    "Qwen2": decoder("Qwen2"),
    "Qwen3": decoder("Qwen3", head_dim=8),
    "Mistral": decoder("Mistral", sliding_window=4),
    "Gemma 2": decoder("Gemma2", head_dim=8, sliding_window=4),
    "Gemma 3": decoder("Gemma3", "Gemma3TextConfig", head_dim=8, sliding_window=4),
    "Phi-3": decoder("Phi3"),
    "Mixtral": experts("Mixtral", num_local_experts=4, num_experts_per_tok=2),
    "Qwen3-MoE": experts(
        "Qwen3Moe", head_dim=8, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16
    ),
    "BERT": partial(
        made, "BertModel", "BertConfig", {"input_ids": IDS, "attention_mask": ONES},
        "last_hidden_state", max_position_embeddings=64, **SIZES,
    ),
    "T5": partial(
        made, "T5ForConditionalGeneration", "T5Config",
        {"input_ids": IDS, "decoder_input_ids": IDS[:, :5]},
        vocab_size=64, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, use_cache=False,
        decoder_start_token_id=0,
    ),
    "Whisper": partial(
        made, "WhisperForConditionalGeneration", "WhisperConfig",
        {"input_features": SOUND, "decoder_input_ids": IDS},
        vocab_size=64, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, num_mel_bins=8,
        max_source_positions=20, max_target_positions=16, decoder_start_token_id=1, **TOKENS,
    ),
    "ViT": partial(made, "ViTModel", "ViTConfig", {"pixel_values": IMAGE}, "last_hidden_state",
                   **VISION),
    "CLIP": partial(
        made, "CLIPModel", "CLIPConfig",
        {"input_ids": IDS, "pixel_values": IMAGE, "attention_mask": ONES}, "logits_per_image",
        text_config={**SIZES, "max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 2,
                     "pad_token_id": 0},
        vision_config=VISION, projection_dim=16,
    ),
    "ResNet-50": partial(
        made, "ResNetForImageClassification", "ResNetConfig", {"pixel_values": LARGER},
        embedding_size=8, hidden_sizes=[8, 16, 32, 64], depths=[3, 4, 6, 3], num_labels=5,
    ),
    "ConvNeXt": partial(
        made, "ConvNextForImageClassification", "ConvNextConfig", {"pixel_values": LARGER},
        hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1], num_labels=5,
    ),
    "Mamba": partial(
        made, "MambaForCausalLM", "MambaConfig", {"input_ids": IDS},
        vocab_size=64, hidden_size=32, state_size=4, num_hidden_layers=2, **TOKENS,
    ),
}  # fmt: skip
"""What makes each model, by name; capture of all of them is tested in tests/cep/capture."""
