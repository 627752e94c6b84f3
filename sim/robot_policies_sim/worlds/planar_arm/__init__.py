"""An arm in the plane that reaches a goal and avoids an obstacle."""
