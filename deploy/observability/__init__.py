"""The dashboard and the alerts, described once, from which all files that Grafana and Prometheus read are made.

Belongs here: what is shown, what alerts, and how that is written down for either. Does not: what is measured (`app/telemetry`).
"""
