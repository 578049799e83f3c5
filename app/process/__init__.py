"""The processes: server and worker, built from the settings, started and stopped.

Belongs here: building, serving, draining, signals, health. Does not belong here: anything that a call does.
"""
