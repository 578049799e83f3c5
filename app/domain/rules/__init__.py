"""The rules: one module for each thing that a command does on a train run.

Belongs here: pure decisions. Does not belong here: the state they change (`app/domain/run`), nor committing it (`app/lanes`).
"""
