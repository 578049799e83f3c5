"""Our own mongod, for trying the service and for tests.

Belongs here: finding, starting and stopping it. Does not belong here: statements (`app/store`).
"""
