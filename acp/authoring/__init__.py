"""Writing descriptors: what their members are, and commented YAML to go on from.

>>> from acp.authoring import commented, descriptor
>>> text = commented({"spec": "acp/1"}, descriptor())
>>> "# REQUIRED. The device, slice or model that is described." in text
True
"""

from __future__ import annotations

from acp.authoring.commented import commented
from acp.authoring.draft import Draft, like, missing
from acp.authoring.members import Member, descriptor

__all__ = ["Draft", "Member", "commented", "descriptor", "like", "missing"]
