"""Trials on a robot: a locked plan, judgements by who does not know the policy, the unblinding."""
