"""The command line: one module per group of commands, and the spool's clients (submitting, waiting)."""
