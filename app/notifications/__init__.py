"""Channels: how events and notices leave the service.

Belongs here: a module for each channel, what events and notices look like on the wire, HTTP and SMTP. Does not belong here:
when and how often something is sent (`app/usecases/deliveries.py`, `app/usecases/notices`), nor which receivers there are
(`app/store`).

    webhook.py          the webhook channel
    webhook_sender.py   signs an event and posts it
    http_transport.py   HTTP connections to checked addresses only
    addresses.py        the addresses of a name
    cloud_events.py     an event as CloudEvents 1.0 in JSON
    secrets.py          the secrets of webhooks
    notice_writer.py    notices in words, from `templates/`
    notice_page.py      which texts and tables a notice has
    wording.py          the texts of a language, from `texts/`
    plain_facts.py      the bare facts of a notice, for when its words cannot be made
    mail_message.py     the mail of a notice
    email_channel.py    notices as mails by SMTP
    smtp_pool.py        connections to the mail server
    sms_channel.py      notices as SMS, with Twilio's API
    log_channel.py      notices as files, for trials

A new channel of events is one more module here, which keeps to `app/ports/channel.py`, and one more entry of
`build_channels` in `app/process/bootstrap/work.py`. A new channel of notices keeps to `app/ports/notices.py`, and is one more
entry of `build_notice_channels` in `app/process/bootstrap/notices.py`.
"""
