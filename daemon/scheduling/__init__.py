"""Scheduling: which item runs next, on which worker, and what happens when a worker or the daemon dies.

`scheduler.py` runs jobs: it asks each job's flow (`make_flow.py`, `job_flow.py`, `text_stream.py`,
`recording_stream.py`) for items, keeps them in the backlog and gives them to the workers of the `worker_pool.py`.
`stages.py` says which stage takes which item, `journal.py` makes jobs survive a crash.
"""
