"""Log lines: their form, and lines about calls.

Belongs here: how a line looks. Does not belong here: what a module logs.
"""
