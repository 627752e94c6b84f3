"""Learned policies, the catalog that finds them and the one adapter that runs them."""
