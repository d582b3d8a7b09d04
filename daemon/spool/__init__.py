"""The spool: the folders that hold the state of every job, and the code that reads and watches them."""
