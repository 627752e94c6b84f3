"""The world of a task as plain data: what stands in it, how an episode begins, what varies."""
