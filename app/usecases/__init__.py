"""Use cases: what callers ask for, a module for each resource, and the processes behind them.

Belongs here: the order of loading, deciding, committing and answering. Does not belong here: rules (`app/domain`), database
statements (`app/store`), messages (`app/rpc`), who may call a method (`app/rpc/policies.py`).
"""
