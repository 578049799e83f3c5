"""Users on the wire.

Belongs here: requests (message to command), answers (domain to message) and the servicer. Does not belong here: rules.
"""
