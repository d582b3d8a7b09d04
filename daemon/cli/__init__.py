"""The command line: one module per group of commands, and the client side of the spool (submitting, waiting)."""
