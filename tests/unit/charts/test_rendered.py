"""What holds of the charts whatever the values are, and what they agree on with the code."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.chart_values import EVERYTHING, SETS
from support.helm import KONG_APIS, OPERATOR, SERVICE, STORE_API, UMBRELLA, Charts, pods
from vectorplane.crd import KINDS
from vectorplane.crd_files import manifest
from vectorplane_operator.metrics import Metrics as OperatorMetrics
from vectorplane_operator.settings import OperatorSettings
from vectorplane_service.metrics import Metrics as ServiceMetrics
from vectorplane_service.settings import ServiceSettings

Json = dict[str, Any]
ROOT = Path(__file__).parents[3]
SECRETS = {
    "API_KEYS",
    "DATABASE_URL",
    "OPERATOR_CONSUL_TOKEN",
    "OPERATOR_KONG_ADMIN_TOKEN",
    "QDRANT_API_KEY",
    "REDIS_URL",
}
_FOREIGN = {"HOME", "NODE", "OTEL_EXPORTER_OTLP_ENDPOINT", "PROMETHEUS_MULTIPROC_DIR"}
_NOT_YET = {"DATABASE_URL"}
every_set = pytest.mark.parametrize("name", SETS)


def rendered(charts: Charts, name: str) -> list[Json]:
    values, apis = SETS[name]
    return charts.render(UMBRELLA, values, apis=apis)


def containers(manifests: list[Json]) -> Iterator[tuple[str, Json, Json]]:
    for name, pod in pods(manifests):
        for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
            yield f"{name}: {container['name']}", pod["spec"], container


@every_set
def test_every_container_is_nobody_and_can_write_nowhere(charts: Charts, name: str) -> None:
    found = list(containers(rendered(charts, name)))
    assert found
    for who, pod, container in found:
        assert pod["securityContext"]["runAsNonRoot"] is True, who
        assert pod["securityContext"]["runAsUser"] == 65532, who
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, who
        assert pod["enableServiceLinks"] is False, who
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, who
        assert container["imagePullPolicy"] == "IfNotPresent", who
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), who
        assert container["resources"]["limits"]["memory"], who
        for volume in pod.get("volumes", ()):
            assert "hostPath" not in volume, who
        for mount in container.get("volumeMounts", ()):
            made_here = mount["mountPath"] in ("/tmp", "/run/vectorplane")
            assert made_here or mount["readOnly"] is True, f"{who}: {mount}"


@every_set
def test_only_the_operator_has_a_token(charts: Charts, name: str) -> None:
    manifests = rendered(charts, name)
    for who, pod in pods(manifests):
        is_operators = "operator" in who
        assert pod["spec"]["automountServiceAccountToken"] is is_operators, who
    for account in (m for m in manifests if m["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@every_set
def test_every_deployment_has_probes_and_loses_nothing(charts: Charts, name: str) -> None:
    deployments = [m for m in rendered(charts, name) if m["kind"] == "Deployment"]
    assert len(deployments) == 2
    for deployment in deployments:
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] == "http"
        rolling = deployment["spec"]["strategy"]["rollingUpdate"]
        assert rolling == {"maxUnavailable": 0, "maxSurge": 1}


@every_set
def test_secrets_come_by_reference_alone(charts: Charts, name: str) -> None:
    manifests = rendered(charts, name)
    # One without data is the hook that deletes the operator's own at an uninstall.
    secrets = [m for m in manifests if m["kind"] == "Secret"]
    assert not [m for m in secrets if m.get("data") or m.get("stringData")]
    by_reference = set()
    for who, _, container in containers(manifests):
        variables = container.get("env", [])
        names = [variable["name"] for variable in variables]
        assert len(names) == len(set(names)), f"{who}: a variable twice"
        for variable in variables:
            if variable["name"] in SECRETS:
                assert variable.keys() == {"name", "valueFrom"}, who
                assert variable["valueFrom"]["secretKeyRef"]["name"], who
                by_reference.add(variable["name"])
    if name == "everything":
        assert by_reference == SECRETS


@pytest.mark.parametrize("secret", sorted(SECRETS))
@pytest.mark.parametrize("place", ["config", "extraEnv"])
def test_a_plain_secret_is_refused(charts: Charts, secret: str, place: str) -> None:
    chart = OPERATOR if secret.startswith("OPERATOR_") else SERVICE
    plain = {"config": {secret: "hunter2"}, "extraEnv": [{"name": secret, "value": "hunter2"}]}
    with pytest.raises(AssertionError, match="don't meet the specifications of the schema") as no:
        charts.render(chart, {place: plain[place]})
    assert "hunter2" not in str(no.value)


@every_set
def test_every_variable_is_a_setting_with_a_value_that_it_takes(
    charts: Charts, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {"operator": OperatorSettings, "service": ServiceSettings}
    for who, _, container in containers(rendered(charts, name)):
        settings = kinds.get(container["name"])
        if settings is None:
            continue
        known = {variable.name for variable in settings.variables()}
        given = container["env"]
        assert {v["name"] for v in given} <= known | _FOREIGN | _NOT_YET, who
        with monkeypatch.context() as patch:
            for variable in given:
                if "value" in variable:
                    patch.setenv(variable["name"], variable["value"])
            patch.setenv("OIDC_AUDIENCE", "vectorplane")
            loaded = settings.load(env_file=None)
        assert loaded


def test_the_service_has_what_its_configuration_asks_for(charts: Charts) -> None:
    found = {who: c for who, _, c in containers(rendered(charts, "as it comes"))}
    service = found["Deployment vectorplane-service: service"]
    environment = {v["name"]: v.get("value") for v in service["env"]}
    mounts = [mount["mountPath"] for mount in service["volumeMounts"]]
    for variable in ("ACCESS_PUBLIC_KEYS", "ACCESS_DENIED_IDS", "PROMETHEUS_MULTIPROC_DIR"):
        assert any(environment[variable].startswith(f"{mount}/") for mount in mounts), variable
    module = service["command"][2].removeprefix("python:")
    assert importlib.util.find_spec(module)


def test_both_charts_speak_of_the_same_service(charts: Charts) -> None:
    for release in (SETS["as it comes"], ({SERVICE: {"service": {"type": "NodePort"}}}, ())):
        manifests = charts.render(UMBRELLA, *release[:1])
        (service,) = [
            m
            for m in manifests
            if m["kind"] == "Service" and m["metadata"]["name"].endswith("-service")
        ]
        variables = next(c for who, _, c in containers(manifests) if who.endswith(": operator"))
        told = {v["name"]: v.get("value") for v in variables["env"]}
        assert told["OPERATOR_SERVICE_NAME"] == service["metadata"]["name"]
        assert told["OPERATOR_SERVICE_NAMESPACE"] == service["metadata"]["namespace"]
        assert told["OPERATOR_SERVICE_PORT"] == str(service["spec"]["ports"][0]["port"])


def test_what_does_not_go_together_is_refused(charts: Charts) -> None:
    for values, said in (
        ({SERVICE: {"fullnameOverride": "search"}}, "vectorplane-operator.service.name"),
        ({SERVICE: {"service": {"port": 80}}}, "vectorplane-operator.service.port"),
        ({SERVICE: {"rateLimits": {"enabled": True}}}, "needs redis.urlSecret.name"),
        ({"global": {"kong": {"mode": "kong-admin"}}}, "kong.admin.url"),
        ({"global": {"kong": {"mode": "ingress"}}}, "global/kong/mode|global.kong.mode"),
        ({"global": {"qdrant": {"apiKey": "hunter2"}}}, "apiKey"),
        ({OPERATOR: {"replicas": 3}}, "replicas"),
    ):
        with pytest.raises(AssertionError, match=said):
            charts.render(UMBRELLA, values)


# What stands elsewhere too


def rules(manifests: list[Json], kind: str) -> set[tuple[str, str, str, str]]:
    """Group, resource, verb and name of everything that the roles of a kind allow."""
    return {
        (group, resource, verb, name)
        for manifest in manifests
        if manifest["kind"] == kind and not re.search("-(view|edit)$", manifest["metadata"]["name"])
        for rule in manifest["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def test_the_rights_are_those_of_the_manifests(charts: Charts) -> None:
    values = {"kong": {"mode": "gateway-api"}, "consul": {"url": "http://consul:8500"}}
    chart = charts.render(OPERATOR, values)
    ours = list(yaml.safe_load_all((ROOT / "manifests/rbac.yaml").read_text()))
    assert rules(chart, "ClusterRole") == rules(ours, "ClusterRole")
    assert rules(chart, "Role") == rules(ours, "Role")


def test_rights_go_with_what_needs_them(charts: Charts) -> None:
    def rights(**values: object) -> set[tuple[str, str, str, str]]:
        manifests = charts.render(OPERATOR, values)
        return rules(manifests, "ClusterRole") | rules(manifests, "Role")

    none = rights(kong={"mode": "none"}, access={"enabled": False})
    groups = {group for group, *_ in none}
    assert groups == {"", "vectorplane.dev", "coordination.k8s.io"}
    assert {verb for _, resource, verb, _ in none if resource == "secrets"} == {"get"}
    with_access = rights(kong={"mode": "none"})
    assert none < with_access
    assert any(resource == "vectoraccesses" for _, resource, *_ in with_access - none)
    with_kong = rights(kong={"mode": "gateway-api"}, access={"enabled": False})
    assert {"configuration.konghq.com", "gateway.networking.k8s.io"} <= {g for g, *_ in with_kong}
    with_consul = rights(
        kong={"mode": "none"}, access={"enabled": False}, consul={"url": "http://consul:8500"}
    )
    assert {group for group, *_ in with_consul - none} == {"discovery.k8s.io"}
    assert rights(kong={"mode": "kong-admin", "admin": {"url": "http://k"}}) == with_access


def test_the_crds_are_those_of_the_code_and_stay(charts: Charts) -> None:
    found = [m for m in charts.render(OPERATOR) if m["kind"] == "CustomResourceDefinition"]
    assert len(found) == len(KINDS)
    for crd in found:
        assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert crd == yaml.safe_load(manifest(crd["spec"]["names"]["kind"]))


def test_the_operator_chart_finds_kong_out(charts: Charts) -> None:
    def mode(apis: tuple[str, ...]) -> str:
        manifests = charts.render(OPERATOR, apis=apis)
        ((_, _, container),) = [c for c in containers(manifests) if c[0].endswith(": operator")]
        return {v["name"]: v.get("value") for v in container["env"]}["OPERATOR_GATEWAY_MODE"]

    assert mode(()) == "none"
    assert mode(KONG_APIS[:1]) == "none"
    assert mode(KONG_APIS) == "gateway-api"


def test_alerts_name_metrics_that_exist(charts: Charts) -> None:
    texts = {OPERATOR: operator_metrics(), SERVICE: ServiceMetrics().exposition().decode()}
    manifests = charts.render(UMBRELLA, EVERYTHING, apis=(STORE_API,))
    found = [m for m in manifests if m["kind"] == "PrometheusRule"]
    assert len(found) == 2
    for rule in found:
        exposed = texts[rule["metadata"]["name"]]
        alerts = [alert for group in rule["spec"]["groups"] for alert in group["rules"]]
        assert alerts
        for alert in alerts:
            for metric in re.findall(r"vectorplane_\w+", alert["expr"]):
                family = re.sub("_(total|bucket|count)$", "", metric)
                assert re.search(rf"^# TYPE {family}", exposed, re.M), metric


def operator_metrics() -> str:
    metrics = OperatorMetrics()
    metrics.observe(lambda: 0, list, lambda: 0)
    metrics.accesses(list)
    metrics.leads(lambda: True)
    return metrics.text().decode()


# Generated files


def test_generated_files_are_current() -> None:
    tool = [sys.executable, str(ROOT / "tools/charts.py"), "--check"]
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_schemas_are_strict() -> None:
    def free(node: Json, place: str) -> Iterator[str]:
        for key, inner in node.get("properties", {}).items():
            yield from free(inner, f"{place}.{key}")
        if "properties" in node and node.get("additionalProperties") is not False:
            yield place

    for chart in (OPERATOR, SERVICE, UMBRELLA):
        schema = json.loads((ROOT / "charts" / chart / "values.schema.json").read_text())
        # Other charts, beside ours, may have their own in `global`.
        assert set(free(schema, "")) <= {".global"}


def test_a_value_without_a_meaning_is_told(tmp_path: Path) -> None:
    from chart_values import Unexplained, read

    for text, said in (
        ("replicas: 2\n", "replicas: say in a comment"),
        ("# Replicas.\n# @shema {}\nreplicas: 2\n", "nobody knows @shema"),
        ("# Replicas.\n# @schema [1]\nreplicas: 2\n", "no piece of a schema"),
    ):
        (tmp_path / "values.yaml").write_text(text)
        with pytest.raises(Unexplained, match=said):
            read(tmp_path / "values.yaml")
