"""The processes behind notices: writing, reminding, sending; and what callers ask about them.

Belongs here: `writing.py` (events become notices), `reminders.py`, `sending.py`, `notices.py` (the calls). Does not belong
here: rules (`app/domain/notices`), words and channels (`app/notifications`).
"""
