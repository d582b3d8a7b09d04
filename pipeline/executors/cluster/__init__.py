"""Workers as actors of a Ray cluster.

`executor.py` runs in the daemon and does not import Ray. It starts `bridge.py`, the process that speaks with Ray: Ray
ends a process that has lost the head of its cluster, and the daemon must outlive that. The bridge has a
`remote_worker.py` for each worker, which places an actor (`actor.py`) and passes messages on.
"""
