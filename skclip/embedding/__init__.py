"""Images and texts to unit vectors."""
