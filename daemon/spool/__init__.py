"""The spool: the folders that hold every job's state, what watches them, and what reads them."""
