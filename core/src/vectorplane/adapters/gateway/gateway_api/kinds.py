"""The kinds of objects that we write, and how each of them is known as ours."""

from __future__ import annotations

from dataclasses import dataclass

from vectorplane.domain.exposure import Ref

MANAGER = "vectorplane-operator"
"""Our field manager, and what the label says."""
MANAGED_BY = "app.kubernetes.io/managed-by"
UID = "vectorplane.dev/uid"
"""The label with the UID of the resource that an object was made for."""
CREDENTIAL = "konghq.com/credential"
"""The label by which Kong's ingress controller knows a Secret, and what it is."""
KEY_AUTH, ACL = "key-auth", "acl"
_OURS = f"{MANAGED_BY}={MANAGER},{UID}"
_GATEWAY_API = (
    "the CRDs of the Gateway API, standard channel, from 1.1 on"
    " (https://gateway-api.sigs.k8s.io/guides)"
)
_KONG = "the CRDs of Kong's ingress controller, from 3.2 on (they come with its Helm chart)"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object, as the Kubernetes API has it."""

    api_version: str
    name: str
    plural: str
    origin: str = ""
    """Which CRDs bring it, and from where."""
    selector: str = _OURS
    """What only objects of ours have."""

    def __str__(self) -> str:
        return self.name


PLUGIN = Kind("configuration.konghq.com/v1", "KongPlugin", "kongplugins", _KONG)
GRANT = Kind("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "referencegrants", _GATEWAY_API)
# Others of our Secrets are none of the gateway's: those with a key for an application.
SECRET = Kind("v1", "Secret", "secrets", "", f"{_OURS},{CREDENTIAL} in ({ACL},{KEY_AUTH})")
CONSUMER = Kind("configuration.konghq.com/v1", "KongConsumer", "kongconsumers", _KONG)
ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", _GATEWAY_API)

# What is referred to comes first, so no route is ever there without its plugins.
KINDS = {kind.name: kind for kind in (PLUGIN, GRANT, SECRET, CONSUMER, ROUTE)}


def ref_of(kind: Kind, namespace: str, name: str) -> Ref:
    return Ref(kind.name, f"{namespace}/{name}")


def place_of(ref: Ref) -> tuple[Kind, str, str]:
    """Kind, namespace and name of an object."""
    namespace, _, name = ref.id.partition("/")
    return KINDS[ref.kind], namespace, name
