"""Verification: the whole database is read, and every invariant is checked.

Belongs here: the way through the collections. Does not belong here: the invariants (`app/domain/audit`), statements.
"""
