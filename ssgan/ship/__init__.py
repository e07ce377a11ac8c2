"""A model reaches its users."""
