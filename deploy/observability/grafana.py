"""The dashboard as Grafana reads it.

Belongs here: where panels stand, and how they are written down. Does not: which there are (`rows_*.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from deploy.observability.description import Kind, Panel, Query, Row, Unit

COLUMNS = 24
# The last version of this format; Grafana 10 reads it as well.
SCHEMA_VERSION = 42
UID = "seatline"
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_GREEN, _AMBER, _RED = "green", "orange", "red"
_HEADING_HEIGHT = 1

Json = dict[str, Any]


def dashboard(rows: Sequence[Row]) -> Json:
    """The document to import, or to put where Grafana looks for dashboards."""
    return {
        "uid": UID,
        "title": "Seatline",
        "description": "Calls, sales and what goes on behind them. Made by deploy/observability/generate.py; do not edit.",
        "tags": ["seatline"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "id": None,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "weekStart": "",
        "annotations": {"list": [_release_annotations()]},
        "links": _links(),
        "templating": {"list": _variables()},
        "panels": list(_laid_out_panels(rows)),
    }


def _laid_out_panels(rows: Sequence[Row]) -> Iterator[Json]:
    """Headings and panels, from left to right and from the top down, numbered from 1."""
    number, top = 1, 0
    for row in rows:
        place = {"h": _HEADING_HEIGHT, "w": COLUMNS, "x": 0, "y": top}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        number, top, left, height = number + 1, top + _HEADING_HEIGHT, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            yield _panel(panel, number, {"h": panel.height, "w": panel.width, "x": left, "y": top})
            number, left, height = number + 1, left + panel.width, max(height, panel.height)
        top += height


def _panel(panel: Panel, number: int, place: dict[str, int]) -> Json:
    defaults: Json = {"unit": panel.unit.value, "min": 0, "color": {"mode": "palette-classic"}, "mappings": []}
    if panel.axis_max is not None:
        defaults["max"] = panel.axis_max
    defaults["thresholds"] = {"mode": "absolute", "steps": _thresholds(panel)}
    if panel.kind is Kind.NUMBER:
        defaults["color"] = {"mode": "thresholds"}
        options = _number_options()
    else:
        defaults["custom"] = _line_style(panel)
        options = _line_options()
    if panel.unit is Unit.SHARE:
        defaults["decimals"] = 2
    return {
        "id": number,
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [_target(query, chr(ord("A") + index), panel) for index, query in enumerate(panel.queries)],
    }


def _target(query: Query, letter: str, panel: Panel) -> Json:
    return {
        "refId": letter,
        "datasource": _DATASOURCE,
        "editorMode": "code",
        "expr": query.expression,
        "legendFormat": query.legend,
        "exemplar": query.has_exemplars,
        "instant": panel.kind is Kind.NUMBER,
        "range": panel.kind is not Kind.NUMBER,
    }


def _thresholds(panel: Panel) -> list[Json]:
    limits = [(panel.warning_from, _AMBER), (panel.critical_from, _RED)]
    given = [(limit, color) for limit, color in limits if limit is not None]
    if panel.is_good_when_high:  # from the worst up: red until the first limit, green from the last
        given.reverse()
        colors = [*(color for _, color in given), _GREEN]
        values = [None, *(limit for limit, _ in given)]
        return [{"color": color, "value": value} for color, value in zip(colors, values, strict=True)]
    return [{"color": _GREEN, "value": None}, *({"color": color, "value": limit} for limit, color in given)]


def _line_style(panel: Panel) -> Json:
    has_limits = panel.warning_from is not None or panel.critical_from is not None
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 20 if panel.is_stacked else 5,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if panel.is_stacked else "none"},
        "thresholdsStyle": {"mode": "dashed" if has_limits else "off"},
    }


def _line_options() -> Json:
    return {
        "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _number_options() -> Json:
    return {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    }


def _variables() -> list[Json]:
    """Which Prometheus, and which of what it knows."""
    whole = "seatline_build_info"
    within = f'{whole}{{namespace=~"$namespace"}}'
    methods = 'grpc_server_started_total{namespace=~"$namespace", grpc_service=~"seatline.*"}'
    datasource = {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "hide": 0,
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": {},
    }
    return [
        datasource,
        _variable("namespace", f"label_values({whole}, namespace)"),
        _variable("job", f"label_values({within}, job)"),
        _variable("pod", f"label_values({within}, pod)"),
        _variable("method", f"label_values({methods}, grpc_method)"),
    ]


def _variable(name: str, query: str) -> Json:
    """All of them at first. `.*` also matches series without the label."""
    return {
        "name": name,
        "label": name.title(),
        "type": "query",
        "datasource": _DATASOURCE,
        "definition": query,
        "query": {"qryType": 1, "query": query, "refId": f"variable-{name}"},
        "regex": "",
        "hide": 0,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def _release_annotations() -> Json:
    """A mark wherever another version began to run."""
    return {
        "name": "Releases",
        "datasource": _DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "expr": 'count by (version) (seatline_build_info{namespace=~"$namespace"}) unless '
        'count by (version) (seatline_build_info{namespace=~"$namespace"} offset 5m)',
        "step": "60s",
        "titleFormat": "Seatline {{version}}",
        "useValueForTime": False,
    }


def _links() -> list[Json]:
    """The alerts, as Grafana lists them, and other dashboards with the same tag."""
    shared = {"asDropdown": False, "icon": "external link", "includeVars": True, "keepTime": True, "targetBlank": True}
    alerts = {**shared, "title": "Alerts", "type": "link", "url": "/alerting/list?search=Seatline", "tags": []}
    return [
        {**alerts, "tooltip": "What alerts, with its runbook"},
        {
            **shared,
            "title": "Seatline",
            "type": "dashboards",
            "url": "",
            "tags": ["seatline"],
            "asDropdown": True,
            "tooltip": "",
        },
    ]
