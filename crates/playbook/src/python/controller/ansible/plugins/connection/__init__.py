"""Nothing of it is run here."""
