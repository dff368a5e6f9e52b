"""Capture: from a model that `torch.export` saved to a graph over CEP-Core, and its weights.

Capture needs PyTorch (``pip install 'acp-cep[adapters]'``); nothing else in `cep` does.
"""
