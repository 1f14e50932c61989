"""The operator on the memory engine, for `kopf run -m support.operator_memory`: the same handlers
and composition, with another `connect`.
"""

from __future__ import annotations

from support.remote_store import connect
from vectorplane_operator.handlers import register

register(connect)
