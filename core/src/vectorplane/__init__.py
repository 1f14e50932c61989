"""vectorplane: vector collections as a service. What the operator and the service share."""

__version__ = "0.1.0"
