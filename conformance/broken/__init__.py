"""Implementations that are broken on purpose, to show that the runner catches each.

Each is started by ``python -m conformance.broken.NAME``, claims what our own library claims, and is
wrong in one way that real implementations are wrong in.
"""
