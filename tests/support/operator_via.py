"""The operator with a way of its own to the stores, for `kopf run -m support.operator_via`:
whatever a VectorStore says, it goes to `TEST_STORE_URL`. So a test can tell apart what each of
several replicas does to one store.
"""

from __future__ import annotations

import os
from dataclasses import replace

from support import remote_store
from vectorplane.ports.vectors import VectorAdmin
from vectorplane_operator.connection import Connection, connect_qdrant
from vectorplane_operator.handlers import register

_CONNECT = {"memory": remote_store.connect, "qdrant": connect_qdrant}[os.environ["TEST_ENGINE"]]


def connect(connection: Connection) -> VectorAdmin:
    qdrant = connection.spec.qdrant.model_copy(update={"url": os.environ["TEST_STORE_URL"]})
    spec = connection.spec.model_copy(update={"qdrant": qdrant})
    admin: VectorAdmin = _CONNECT(replace(connection, spec=spec))
    return admin


register(connect)
