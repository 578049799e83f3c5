"""How the command line shows answers: pages, tables, texts, colours.

Belongs here: turning messages into text. Does not belong here: calls, options, exit codes.
"""
