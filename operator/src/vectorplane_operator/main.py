"""The operator for `kopf run -m vectorplane_operator.main`: its handlers in kopf's own registry."""

from __future__ import annotations

from vectorplane_operator.connection import connect_qdrant
from vectorplane_operator.handlers import register

register(connect_qdrant)
