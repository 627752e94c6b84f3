"""An arm at a table that puts cubes on pads."""
