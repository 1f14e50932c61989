"""`vectorplane operator`: the same operator as `kopf run -m vectorplane_operator.main`, without the
flags that it would need there.
"""

from __future__ import annotations

import click


@click.command()
def operator() -> None:
    """Reconcile the VectorCollections of a cluster, until it is told to stop.

    Settings are read from the environment (OPERATOR_*); the cluster is the one of the pod, or else
    of the kubeconfig.
    """
    # Imported here: kopf takes two seconds, and `vectorplane --help` lists this command too.
    import asyncio

    import kopf

    from vectorplane.settings import SettingsError
    from vectorplane_operator import logs
    from vectorplane_operator.connection import connect_qdrant
    from vectorplane_operator.handlers import register
    from vectorplane_operator.settings import OperatorSettings

    try:
        settings = OperatorSettings.load(env_file=None)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    logs.configure(settings.operator_log_format, settings.operator_log_level)
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry, id="login")(kopf.login_via_client)
    register(connect_qdrant, registry)
    asyncio.run(kopf.operator(registry=registry, clusterwide=True, standalone=True))
