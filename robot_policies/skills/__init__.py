"""Skills: low-rank additions to a frozen policy, packaged, checked, mixed and taken away again."""
