"""The kinds of documents by the names that command lines give them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from acp import documents

if TYPE_CHECKING:
    from acp.message import Message


def _name(kind: type[Message]) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"-\1", kind.__name__).lower()


KINDS: Final = {_name(kind): kind for kind in documents.SIGNED.values()}
"""The documents that are signed on their own: ``capability-descriptor`` and so on."""
