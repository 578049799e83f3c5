"""How the command line shows answers: pages, tables, texts, colours.

Belongs here: turning messages of the contract into text. Does not belong here: calls, options, exit codes. Nothing here imports
gRPC.
"""
