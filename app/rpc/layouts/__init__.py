"""Layouts on the wire.

Belongs here: requests (message to command), answers (domain to message), and the calls of RunService about layouts. Does not
belong here: rules.
"""
