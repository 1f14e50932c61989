"""A Qdrant server or cluster.

`admin` speaks plain REST with httpx, `points` uses qdrant-client. The two are imported apart:
qdrant-client alone costs 105 MB of memory (measured), and the operator, which needs only the admin,
must idle under 120 MB.
"""
