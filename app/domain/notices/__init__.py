"""Notices: messages to people about their bookings.

Belongs here: values and rules of notices, pure. Does not belong here: words and channels (`app/notifications`), the processes
behind them (`app/usecases/notices`), statements (`app/store/notices.py`).
"""
