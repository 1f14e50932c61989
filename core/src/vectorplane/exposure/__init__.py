"""Collections made known outside: from resources to wishes, and the loop that carries them out."""
