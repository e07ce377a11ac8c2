"""A batch becomes an accepted version of the data, or leaves a reason."""
