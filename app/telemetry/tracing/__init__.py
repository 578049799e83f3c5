"""Traces by OpenTelemetry: spans, sampling, context, export.

Belongs here: spans. Does not belong here: metrics and logs.
"""
