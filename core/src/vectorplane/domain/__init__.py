"""The decisions of vectorplane, pure: no I/O, no framework, nothing but the standard library."""
