"""A skill as files: its card, its tensors, and the base they are for."""
