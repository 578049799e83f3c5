"""Telling others: events on their way out of the service.

Belongs here: what events look like on the wire, and HTTP. Does not: who is told of what, and how often
(`app/domain/webhooks.py`).

    cloud_events.py   an event as CloudEvents 1.0 in JSON
    addresses.py      which addresses are public, and the addresses of a name
    transport.py      HTTP connections to checked addresses only
    webhooks.py       signs and sends
"""
