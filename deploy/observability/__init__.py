"""Description of the dashboard and the alerts, from which the files for Grafana and Prometheus are generated.

Belongs here: panels, alerts, and the formats of both. Does not belong here: the metrics themselves (`app/telemetry`).
"""
