"""The operator works with the roles of `manifests/rbac.yaml` alone, and needs each of their rules:
one after the other is taken away, and what it was for fails and names it.

Which rules there are is read from the manifest; `NEEDS` says when each is used. A rule without an
entry, or an entry without a rule, fails. What only the Gateway API and Consul need is tried where
they are: `test_gateway_api.py`, `test_endpoints.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import yaml

from support.cluster import Cluster, Json, condition, wait
from support.controlplane import MANIFESTS, NAMESPACE, ControlPlane
from support.engines import MEMORY_ENGINE, Engine
from support.loops import LoopThread
from support.operator_process import OperatorProcess
from support.proxy import Proxy
from support.world import API_VERSION, Operators, World

pytestmark = [
    MEMORY_ENGINE,
    pytest.mark.timeout(180),
]
ELSEWHERE = ("vectorplane-operator-gateway-api", "vectorplane-operator-service")
CONFLICT = {"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409}


@dataclass(frozen=True)
class Rule:
    """One verb on one resource, in one role."""

    role: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


def _roles() -> dict[str, Json]:
    documents = yaml.safe_load_all((MANIFESTS / "rbac.yaml").read_text(encoding="utf-8"))
    roles = {d["metadata"]["name"]: d for d in documents if d["kind"] in ("Role", "ClusterRole")}
    return {name: role for name, role in roles.items() if name not in ELSEWHERE}


ROLES = _roles()
RULES = [
    Rule(name, resource, verb)
    for name, role in ROLES.items()
    for rule in role["rules"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
]


def _without(missing: Rule) -> Json:
    """A role with all of its rules but one."""
    role = ROLES[missing.role]
    kept = [
        {**rule, "resources": [resource], "verbs": [verb]}
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if Rule(missing.role, resource, verb) != missing
    ]
    return {**role, "rules": kept}


class Scene:
    """One operator behind a proxy, and one test's corner."""

    def __init__(self, world: World, kube: Proxy, operator: OperatorProcess) -> None:
        self.world = world
        self.kube = kube
        self.operator = operator

    # What uses a rule

    def begins(self) -> None:
        """The operator starts anew."""
        self.operator.kill()
        self.operator.lease = f"operator-{secrets.token_hex(4)}"
        self.operator.start(ready=False)

    def lives_on(self) -> None:
        """It goes on working: lists again, and renews its Lease."""

    def watches(self) -> None:
        self.kube.cut_watches()

    def comes(self) -> None:
        """A new resource: finalizer, collection, status, event."""
        self.world.apply("new")

    def meets_an_edit(self) -> None:
        """Somebody else wrote the resource while it set the finalizer."""
        self.kube.instead(
            lambda seen: seen.method == "PATCH" and seen.path.endswith("/new"), 409, CONFLICT
        )
        self.world.apply("new")

    def finds_a_store(self) -> None:
        self.world.make_store(f"{self.world.namespace}-new")

    def needs_a_key(self) -> None:
        secret = self.world.make_secret(f"{self.world.namespace}-key", "any")
        self.world.apply_store(self.world.store, url=self.world.proxy.url, apiKeySecretRef=secret)

    def allows(self) -> None:
        """A new access: finalizer, Secret, status, event."""
        self.world.apply("new")
        self._access()

    def meets_an_edit_of_an_access(self) -> None:
        self.kube.instead(
            lambda seen: seen.method == "PATCH" and seen.path.endswith("/vectoraccesses/new"),
            409,
            CONFLICT,
        )
        self.allows()

    def changes_an_access(self) -> None:
        """Other permissions are another key in the same Secret."""
        self._allowed()
        self._access(permissions=["write"])

    def moves_an_access(self) -> None:
        """Another Secret, and the one before goes."""
        self._allowed()
        self._access(secretName="another")

    def revokes(self) -> None:
        self._allowed()
        self.world.cluster.delete("VectorAccess", "new", self.world.namespace)

    def begins_without_keys(self) -> None:
        """Somebody deleted what the service reads, and the operator starts anew."""
        self.world.cluster.delete("ConfigMap", "vectorplane-access", NAMESPACE)
        self.begins()

    def _allowed(self) -> None:
        self.allows()

        def ready() -> bool:
            found = self.world.cluster.get("VectorAccess", "new", self.world.namespace) or {}
            return condition(found).get("status") == "True"

        wait(ready, "the access is Ready", seconds=60)

    def _access(self, **spec: object) -> None:
        self.world.cluster.apply(
            {
                "apiVersion": API_VERSION,
                "kind": "VectorAccess",
                "metadata": {"name": "new", "namespace": self.world.namespace},
                "spec": {"collection": "new", **spec},
            }
        )

    # How that shows

    def logged(self, rule: Rule, since: int) -> bool:
        """In its log, in the words of the API server."""
        return f'cannot {rule.verb} resource "{rule.resource}"' in self._log(rule, since)

    def said_of_the_store(self, rule: Rule, since: int) -> bool:
        """To the platform team, in the VectorStore."""
        found = self.world.cluster.get("VectorStore", self.world.store) or {}
        message = condition(found).get("message", "")
        return f"grant it `{rule.verb}` on that Secret" in message

    def _log(self, rule: Rule, since: int) -> str:
        # JSON lines have quotes escaped, and kopf's have not.
        return self.operator.text()[since:].replace('\\"', '"')


Use = Callable[[Scene], None]
Shown = Callable[[Scene, Rule, int], bool]
_CLUSTER, _ACCESS, _LEASE = (
    "vectorplane-operator",
    "vectorplane-operator-access",
    "vectorplane-operator-lease",
)
NEEDS: dict[Rule, tuple[Use, Shown]] = {
    Rule(_CLUSTER, "vectorcollections", "get"): (Scene.meets_an_edit, Scene.logged),
    Rule(_CLUSTER, "vectorcollections", "list"): (Scene.lives_on, Scene.logged),
    Rule(_CLUSTER, "vectorcollections", "watch"): (Scene.watches, Scene.logged),
    Rule(_CLUSTER, "vectorcollections", "patch"): (Scene.comes, Scene.logged),
    Rule(_CLUSTER, "vectorcollections/status", "patch"): (Scene.comes, Scene.logged),
    Rule(_CLUSTER, "vectorstores", "list"): (Scene.lives_on, Scene.logged),
    Rule(_CLUSTER, "vectorstores", "watch"): (Scene.watches, Scene.logged),
    Rule(_CLUSTER, "vectorstores/status", "patch"): (Scene.finds_a_store, Scene.logged),
    Rule(_CLUSTER, "events", "create"): (Scene.comes, Scene.logged),
    Rule(_CLUSTER, "namespaces", "get"): (Scene.begins, Scene.logged),
    Rule(_CLUSTER, "vectoraccesses", "get"): (Scene.meets_an_edit_of_an_access, Scene.logged),
    Rule(_CLUSTER, "vectoraccesses", "list"): (Scene.lives_on, Scene.logged),
    Rule(_CLUSTER, "vectoraccesses", "watch"): (Scene.watches, Scene.logged),
    Rule(_CLUSTER, "vectoraccesses", "patch"): (Scene.allows, Scene.logged),
    Rule(_CLUSTER, "vectoraccesses/status", "patch"): (Scene.allows, Scene.logged),
    Rule(_CLUSTER, "secrets", "get"): (Scene.needs_a_key, Scene.said_of_the_store),
    Rule(_CLUSTER, "secrets", "list"): (Scene.begins, Scene.logged),
    Rule(_CLUSTER, "secrets", "create"): (Scene.allows, Scene.logged),
    Rule(_CLUSTER, "secrets", "patch"): (Scene.changes_an_access, Scene.logged),
    Rule(_CLUSTER, "secrets", "delete"): (Scene.moves_an_access, Scene.logged),
    Rule(_ACCESS, "configmaps", "get"): (Scene.begins, Scene.logged),
    Rule(_ACCESS, "configmaps", "create"): (Scene.begins_without_keys, Scene.logged),
    Rule(_ACCESS, "configmaps", "patch"): (Scene.revokes, Scene.logged),
    Rule(_LEASE, "leases", "get"): (Scene.begins, Scene.logged),
    Rule(_LEASE, "leases", "create"): (Scene.begins, Scene.logged),
    Rule(_LEASE, "leases", "patch"): (Scene.lives_on, Scene.logged),
}


@pytest.fixture(scope="module")
def kube(plane: ControlPlane, thread: LoopThread) -> Iterator[Proxy]:
    made = Proxy(thread, plane.cluster.server, str(plane.cluster.ca))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def its_operator(
    plane: ControlPlane,
    engine: Engine,
    kube: Proxy,
    operators: Operators,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OperatorProcess]:
    theirs = plane.operator_kubeconfig.read_text()
    kubeconfig = tmp_path_factory.mktemp("rbac") / "kubeconfig"
    kubeconfig.write_text(theirs.replace(plane.cluster.server, kube.url))
    operators.stop()
    operator = operators.new(engine.command, kubeconfig, OPERATOR_RELIST_SECONDS="0.5")
    yield operator.start()
    operator.kill()
    assert "Traceback" not in operator.text()


@pytest.fixture(scope="module")
def user(plane: ControlPlane) -> Iterator[Cluster]:
    """The operator's account."""
    made = Cluster(plane.operator_kubeconfig)
    yield made
    made.close()


@pytest.fixture
def scene(corner: World, kube: Proxy, its_operator: OperatorProcess) -> Iterator[Scene]:
    yield Scene(corner, kube, its_operator)
    for access in corner.cluster.all("VectorAccess", corner.namespace):
        corner.cluster.discard("VectorAccess", access["metadata"]["name"], corner.namespace)
    for role in ROLES.values():
        corner.cluster.apply(role)


def test_every_rule_has_an_entry_and_every_entry_a_rule(engine: Engine) -> None:
    assert set(NEEDS) == set(RULES), "say in NEEDS when a new rule is used"
    assert len(RULES) == len(set(RULES)), "a rule is granted twice"


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_rule_that_is_missing_shows(scene: Scene, user: Cluster, rule: Rule) -> None:
    if rule not in NEEDS:
        pytest.fail(f"nothing is known that needs {rule} of {rule.role}: see NEEDS")
    use, shown = NEEDS[rule]
    world = scene.world
    world.store_says("Reachable")
    world.cluster.apply(_without(rule))
    wait(lambda: not _may(user, rule), "the rule is away")
    since = len(scene.operator.text())

    use(scene)
    wait(lambda: shown(scene, rule, since), f"it shows that it may not {rule}", seconds=60)

    world.cluster.apply(ROLES[rule.role])
    wait(lambda: _may(user, rule), "the rule is back")
    scene.operator.wait_ready()
    world.apply("after")
    world.says("Ready", "after", seconds=60)


def _may(cluster: Cluster, rule: Rule) -> bool:
    """What the API server says to the operator."""
    role = ROLES[rule.role]
    granted = next(r for r in role["rules"] if rule.resource in r["resources"])
    resource, _, part = rule.resource.partition("/")
    return cluster.may(
        verb=rule.verb,
        group=granted["apiGroups"][0],
        resource=resource,
        subresource=part,
        namespace=role["metadata"].get("namespace", ""),
        name=granted.get("resourceNames", [""])[0],
    )
