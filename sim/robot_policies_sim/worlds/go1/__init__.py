"""A quadruped that walks as it is told."""
