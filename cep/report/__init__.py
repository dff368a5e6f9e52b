"""Self-contained pages that show what a receipt says of a run, and what a plan says of itself.

`cep.report.view` turns plan, receipt and timeline into plain facts, `cep.report.drawing` draws
them, `cep.report.page` writes the page, and `cep.report.trace` the same run for trace viewers.
`cep.report.plan_view`, `plan_drawing` and `plan_page` do the same for a plan.

A report is made of documents by strangers: every text of theirs is escaped, the page has no scripts
and may load nothing.
"""

from __future__ import annotations

from cep.report.page import page
from cep.report.plan_page import plan_page
from cep.report.plan_view import PlanView, plan_view
from cep.report.trace import trace
from cep.report.view import RunView, Timeline, view

__all__ = ["PlanView", "RunView", "Timeline", "page", "plan_page", "plan_view", "trace", "view"]
