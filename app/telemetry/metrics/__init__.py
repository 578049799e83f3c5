"""Metrics for Prometheus: families, what updates them, and the port that serves them.

Belongs here: what is measured. Does not belong here: reactions to it.
"""
