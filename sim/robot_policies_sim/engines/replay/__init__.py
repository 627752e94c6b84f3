"""Recorded episodes."""
