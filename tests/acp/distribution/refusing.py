"""What a refusal says, for tests."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from acp.diagnostics import Refused


@contextmanager
def refused(code, words=""):
    """The body is refused with this code, and words of the message."""
    with pytest.raises(Refused) as raised:
        yield
    first = raised.value.diagnostics[0]
    assert first.code == code, first
    assert words in first.message
