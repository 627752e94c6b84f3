"""What stands between a policy and a robot; numpy only, and time is passed in, never read."""
