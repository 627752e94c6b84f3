"""A sleeve is pulled over a person's arm."""
