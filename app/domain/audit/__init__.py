"""The invariants that `verify` checks: plain functions from stored values to findings.

Belongs here: what must hold. Does not belong here: reading the database (`app/store`), the way through it (`app/usecases`).
"""
