"""Dashboards, alerts and the list of metrics, all from code: `python -m dashboards [--check]`."""
