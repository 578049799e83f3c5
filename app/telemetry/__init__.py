"""What this process tells of itself: metrics, traces and logs.

Belongs here: what is measured under which names, where spans and log lines go, and observers that are shown to the rest of the
application. Does not: what is observed; nothing here is asked for by a decision.
"""
