"""Tasks, one folder a world: trials, experts, rewards and training environments."""
