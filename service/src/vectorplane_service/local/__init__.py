"""Local mode: the manifests of a folder, reconciled on one machine into the embedded engine and
served by the same API. No cluster, no server, one process.
"""
