"""Layouts: the sections, coaches and seats of a train or run, and their changes.

Belongs here: the operations, the plan of their consequences, the change of a train's layout, and layout jobs. Does not belong
here: the rules that change a run (`app/domain/rules/`), nor how anything is stored.
"""
