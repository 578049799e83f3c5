"""Tickets on the wire.

Belongs here: requests (message to values), answers (values to messages) and the servicer. Does not belong here: rules.
"""
