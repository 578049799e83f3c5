"""What this process reports about itself: metrics, traces and logs.

Belongs here: what is measured under which names, where spans and log lines go, and the observers that measure. Does not belong
here: what is observed. No decision of the application depends on this package.
"""
