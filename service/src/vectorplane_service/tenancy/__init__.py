"""What keeps tenants of a pool apart: `points` binds every request to one tenant, `guard` sees to
it that a name which moves meanwhile is served as what it has become."""
