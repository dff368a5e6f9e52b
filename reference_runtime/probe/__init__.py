"""What is here and how fast it is: system facts, micro-benchmarks, and documents about both."""

from __future__ import annotations
