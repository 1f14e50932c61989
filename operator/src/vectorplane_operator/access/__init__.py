"""Keys for collections: who signs them, who gets them, and which are revoked."""
