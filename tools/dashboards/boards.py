"""All dashboards, in the order in which they are named."""

from __future__ import annotations

from dashboards.board_collections import COLLECTIONS
from dashboards.board_gateway import GATEWAY
from dashboards.board_operator import OPERATOR
from dashboards.board_service import SERVICE

BOARDS = (COLLECTIONS, SERVICE, OPERATOR, GATEWAY)
