"""Channels: how events leave the service.

Belongs here: a module for each channel, what events look like on the wire, and HTTP. Does not belong here: when and how often
something is sent (`app/usecases/deliveries.py`), nor which receivers there are (`app/store`).

    webhook.py          the webhook channel
    webhook_sender.py   signs an event and posts it
    http_transport.py   HTTP connections to checked addresses only
    addresses.py        the addresses of a name
    cloud_events.py     an event as CloudEvents 1.0 in JSON
    secrets.py          the secrets of webhooks

A new channel is one more module here, which keeps to `app/ports/channel.py`, and one more entry of `build_channels` in
`app/process/bootstrap/work.py`.
"""
