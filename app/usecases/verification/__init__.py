"""Verification: read the whole database and check every invariant.

Belongs here: the way through the collections, and the report. Does not belong here: the invariants (`app/domain/audit`), or
statements (`app/store/audit_runs.py`, `app/store/audit_records.py`).
"""
