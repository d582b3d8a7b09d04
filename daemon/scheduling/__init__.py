"""Scheduling: which item runs next, on which worker, and how jobs survive dying workers and daemons.

`scheduler.py` runs jobs: it asks each job's flow (`make_flow.py`, `job_flow.py`, `long_text.py`, `text_stream.py`,
`recording_stream.py`) for items, keeps them in the backlog and gives them to the workers of the `worker_pool.py`.
`stages.py` maps items to stages; `journal.py` lets jobs survive a crash.
"""
