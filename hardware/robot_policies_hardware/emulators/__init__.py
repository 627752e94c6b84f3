"""Robots that are not there, on the real protocol: drivers and SDKs run on them unchanged."""
