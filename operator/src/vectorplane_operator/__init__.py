"""The operator: kopf in front of the reconciler."""
