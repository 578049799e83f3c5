"""What one room needs of another, as protocols and the values they pass.

Belongs here: protocols that several rooms share. Does not belong here: any implementation with I/O of its own.
"""
