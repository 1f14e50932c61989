"""Dashboards as Grafana reads them, by Grafana's own SDK."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import common, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus as queries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models

from dashboards.model import GREEN, Dashboard, Panel, Query, Variable

TAG = "vectorplane"
_SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_LINES_HIGH, _NUMBER_HIGH = 8, 5


def document(board: Dashboard) -> str:
    """The JSON of a dashboard."""
    made = (
        builders.Dashboard(board.title)
        .uid(board.uid)
        .description(board.what)
        .tags([TAG])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            builders.DashboardLink("vectorplane")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .keep_time(True)
            .include_vars(True)
        )
        .with_variable(
            builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        )
    )
    for variable in board.variables:
        made = made.with_variable(_variable(variable))
    number = 0
    for row in board.rows:
        number += 1
        made = made.with_row(builders.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            made = made.with_panel(_panel(panel).id(number))
    return str(JSONEncoder(sort_keys=True, indent=2).encode(made.build())) + "\n"


def _variable(variable: Variable) -> builders.QueryVariable:
    return (
        builders.QueryVariable(variable.name)
        .label(variable.title)
        .query(f"label_values({variable.metric}, {variable.label})")
        .datasource(_SOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _panel(panel: Panel) -> Any:
    made: Any = stat.Panel() if panel.number else timeseries.Panel()
    made = (
        made.title(panel.title)
        .description(panel.what)
        .unit(panel.unit)
        .datasource(_SOURCE)
        .span(panel.width)
        .height(_NUMBER_HIGH if panel.number else _LINES_HIGH)
        .thresholds(
            builders.ThresholdsConfig()
            .mode(models.ThresholdsMode.ABSOLUTE)
            .steps(
                [
                    models.Threshold(value=None, color=GREEN),
                    *(models.Threshold(value=float(at), color=color) for at, color in panel.steps),
                ]
            )
        )
    )
    if panel.number:
        made = made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    else:
        made = (
            made.min(0)
            .fill_opacity(8)
            .legend(
                common.VizLegendOptions()
                .display_mode(shapes.LegendDisplayMode.LIST)
                .placement(shapes.LegendPlacement.BOTTOM)
                .show_legend(True)
            )
            .tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI))
        )
        if panel.steps:
            lines = common.GraphThresholdsStyleConfig().mode(shapes.GraphTresholdsStyleMode.DASHED)
            made = made.thresholds_style(lines)
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        made = made.with_target(_target(query, letter))
    return made


def _target(query: Query, letter: str) -> queries.Dataquery:
    made = queries.Dataquery().expr(query.expr).ref_id(letter).range()
    return made.legend_format(query.legend) if query.legend else made
