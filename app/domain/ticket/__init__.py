"""Tickets: what a passenger shows on board, and how it is checked.

Belongs here: values and rules of tickets, pure. Does not belong here: signatures, pictures and files (`app/tickets`).
"""
