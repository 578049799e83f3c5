"""The benchmark.

Belongs here: what a sale costs against a bare call on the same machine, and the proof that nothing was lost on the way. Does
not: anything that the service itself runs.
"""
