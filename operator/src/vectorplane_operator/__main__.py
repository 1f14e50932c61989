"""`python -m vectorplane_operator` is `vectorplane operator`."""

from __future__ import annotations

from vectorplane_operator.command import operator

operator(prog_name="vectorplane operator")
