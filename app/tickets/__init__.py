"""Ticket documents: signed codes, QR, PDF, PNG, calendar entries.

Belongs here: making documents from the values of `app/domain/ticket`. Does not belong here: mails (`app/notifications`), who
may have a ticket (`app/usecases/tickets.py`). The libraries are those of the extra `seatline[mail]`; only workers, and servers
at their first GetTicket or PreviewNotice, import this room's modules that use them.
"""
