"""A folder of skills and compositions, and how skills come into it."""
