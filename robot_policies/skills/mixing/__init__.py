"""Skills in a network: stacked beside its linear layers, weighed, compared."""
