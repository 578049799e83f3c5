"""Layouts on the wire.

Belongs here: requests (message to command) and answers (domain to message). Does not belong here: rules, nor the calls, which
are part of RunService (`app/rpc/train_runs/servicer.py`).
"""
