"""The routes, one module for each group. Every module here has a `router` and is found by its presence."""
