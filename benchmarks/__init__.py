"""Benchmarks: every number in the docs comes from a file that ``make bench`` writes."""
