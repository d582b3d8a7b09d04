"""The web gateway: a client of the spool that speaks HTTP. It drops jobs into the inbox and reads the outbox.

It has no state of its own and works while the daemon is down. To add a route, add a module with a `router` to
`daemon/web/routes/`.
"""
