"""A version of the data becomes a discriminator, exported without its generator."""
