"""What the charts make of the generated files: the same, in a ConfigMap and in PrometheusRules."""

from __future__ import annotations

import yaml
from dashboards import __main__ as generator
from dashboards import rules
from dashboards.alerts import Times

from support.helm import OPERATOR, SERVICE, UMBRELLA, Charts


def test_the_charts_have_all_of_them() -> None:
    asked = {"metrics": {"dashboards": {"enabled": True}}}
    rule = {"metrics": {"prometheusRule": {"enabled": True}}}
    manifests = Charts().render(UMBRELLA, {**asked, OPERATOR: rule, SERVICE: rule})

    (config,) = [
        m
        for m in manifests
        if m["kind"] == "ConfigMap" and m["metadata"]["name"].endswith("-dashboards")
    ]
    boards = {path.name: text for path, text in generator.files() if path.suffix == ".json"}
    assert config["data"] == boards
    assert sum(map(len, boards.values())) < 900_000, "a ConfigMap holds one MiB"
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"

    made = [m["spec"]["groups"] for m in manifests if m["kind"] == "PrometheusRule"]
    groups = [group for part in made for group in part]
    expected = yaml.safe_load(rules.document(rules.groups(Times())))["groups"]
    assert sorted(groups, key=_name) == sorted(expected, key=_name)


def _name(group: dict[str, str]) -> str:
    return group["name"]
