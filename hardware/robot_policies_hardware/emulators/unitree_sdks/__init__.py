"""Stand-ins for Unitree's SDKs, for a robot that is emulated: put this folder on PYTHONPATH."""
