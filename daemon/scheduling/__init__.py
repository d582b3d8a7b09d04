"""Scheduling: which item runs next, on which worker, and what happens when a worker or the daemon dies."""
