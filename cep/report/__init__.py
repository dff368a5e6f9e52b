"""The run report: one self-contained page that shows what a receipt says.

`cep.report.view` turns plan, receipt and timeline into plain facts, `cep.report.drawing` draws
them, `cep.report.page` writes the page, and `cep.report.trace` the same run for trace viewers.

A report is made of documents by strangers: every text of theirs is escaped, the page has no scripts
and may load nothing.
"""

from __future__ import annotations

from cep.report.page import page
from cep.report.trace import trace
from cep.report.view import RunView, Timeline, view

__all__ = ["RunView", "Timeline", "page", "trace", "view"]
