"""Prometheus metrics: `registry` defines them; the daemon's `recorder` writes them, and the gateway reads what it left.

The metrics are an interface: dashboards and alerts refer to their names.
"""
