"""Checks whether everything that lipdrop needs on this machine is in place.

To add a check, write a function in `checks/` that yields findings, and name it in `checks.CHECKS`. A check changes
nothing, needs no running daemon and imports what may be missing or slow only when it runs.
"""
