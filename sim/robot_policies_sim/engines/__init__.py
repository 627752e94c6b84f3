"""What moves a robot that is not there: physics engines, environments and recorded episodes."""
