"""Writes the vectors: base documents, and one named mutation of one of them for each refusal.

``python -m conformance.author`` writes ``conformance/vectors``; with ``--check`` it only compares.
The answers are written down here by hand, rule by rule; only digests are computed.
"""
