"""The `robot-policies` command; heavy packages are imported by the command that uses them."""
