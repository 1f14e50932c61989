"""The rules, by Prometheus' own tool; and that each alert says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from dashboards import __main__ as generator
from dashboards import rules
from dashboards.alerts import Times
from dashboards.boards import BOARDS

from support.prometheus import promtool

ROOT = Path(__file__).parents[3]
FILES = sorted(path for path, _ in generator.files() if path.name == "rules.yaml")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_promtool_takes_them(file: Path) -> None:
    done = promtool("check", "rules", "--lint-fatal", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_fires_for_its_cause_and_not_before(tmp_path: Path) -> None:
    text = (Path(__file__).parent / "rules_test.yaml").read_text()
    place = tmp_path / "rules_test.yaml"
    place.write_text(text.replace("RULES", str(ROOT / "manifests/monitoring/rules.yaml")))
    done = promtool("test", "rules", place)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_left_out_of_that() -> None:
    cases = yaml.safe_load((Path(__file__).parent / "rules_test.yaml").read_text())["tests"]
    fires, rests = set(), set()
    for case in cases:
        for expected in case.get("alert_rule_test", ()):
            (fires if expected.get("exp_alerts") else rests).add(expected["alertname"])
    names = {alert.name for alert in rules.alerts(Times())}
    assert fires == rests == names


def test_minutes_may_be_seconds() -> None:
    quick = Times(60)
    assert (Times().span(300), quick.span(300), quick.span(90)) == ("5m", "5s", "1s500ms")
    assert (Times().seconds(1800), quick.seconds(1800)) == ("1800", "30")
    assert Times().span(0) == "0s"
    slow, fast = rules.alerts(Times()), rules.alerts(quick)
    assert [alert.name for alert in slow] == [alert.name for alert in fast]
    assert {alert.lasting for alert in fast} == {"1s", "2s", "5s", "10s", "15s"}


def test_every_alert_has_a_section_of_the_runbook() -> None:
    text = (ROOT / "docs/runbook.md").read_text()
    sections = re.findall(r"^## (\w+)$", text, re.M)
    alerts = rules.alerts(Times())
    assert sorted(sections) == sorted(alert.name for alert in alerts)
    for alert in alerts:
        place, _, anchor = alert.rule()["annotations"]["runbook_url"].partition("#")
        assert (ROOT / place).is_file()
        assert anchor in {section.lower() for section in sections}
        section = text.partition(f"## {alert.name}\n")[2].partition("\n## ")[0]
        assert len(section) > 200, f"{alert.name}: say what to do"
    for anchor in re.findall(r"\]\(#(\w+)\)", text):
        assert anchor in {section.lower() for section in sections}


# Dashboards


def test_generated_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generator.main(["--check"]) == 0, capsys.readouterr().err
    assert sum(path.suffix == ".json" for path, _ in generator.files()) == 4


def test_every_panel_says_what_to_do_and_has_a_unit() -> None:
    for board in BOARDS:
        for panel in board.panels:
            where = f"{board.title}: {panel.title}"
            assert len(panel.what) > 40, where
            assert panel.unit, where
            assert 0 < len(panel.queries) <= 8, where
            legends = [query.legend for query in panel.queries]
            assert len(set(legends)) == len(legends), where
            assert panel.number or all(legends), where
        titles = [panel.title for panel in board.panels]
        assert len(set(titles)) == len(titles)


def test_dashboards_are_linked_and_have_variables() -> None:
    for path, text in generator.files():
        if path.suffix != ".json":
            continue
        board = json.loads(text)
        assert len(text) < 256_000
        (link,) = board["links"]
        assert (link["type"], link["tags"]) == ("dashboards", board["tags"])
        assert link["includeVars"]
        names = {variable["name"] for variable in board["templating"]["list"]}
        assert "datasource" in names
        asked = set(re.findall(r"\$\{?([a-z_]+)\}?", text))
        # What Grafana knows itself begins with two underscores.
        assert {name for name in asked if not name.startswith("__")} == names, path.name
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert any(
            len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1 for panel in panels
        )
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        for panel in panels:
            assert panel["datasource"]["uid"] == "${datasource}"
