"""Our own mongod, for trying the service and for tests.

Belongs here: finding the binary, starting and stopping it on a data directory. Does not belong here: what is stored in it, and
the driver that talks to it (`app/store`).

    mongod.py           start and stop one mongod
    binary.py           find a binary that runs on this machine
    data_directory.py   the directory and its two locks
    supervisor.py       the process between Seatline and mongod
    replica_set.py      make the node a primary
    log_excerpt.py      quote mongod's log in an error
"""
