"""Adapters for the software stacks of the host's own processor, and what they share.

Each module imports its stack only when an adapter is made, so that listing adapters is cheap and a
missing stack is a clear refusal.
"""

from __future__ import annotations
