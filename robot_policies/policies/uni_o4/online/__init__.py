"""Learning by acting: proximal policy optimisation on many robots at once."""
