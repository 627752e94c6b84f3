"""One message through DDS and back, to tell whether nodes can talk on this machine."""

import os
import sys
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import String

PATIENCE = 10.0  # s; discovery takes 0.2 s on an idle machine


def main() -> None:
    """Exit with status 0 if a message sent by one node reached another."""
    context = rclpy.Context()
    rclpy.init(context=context)
    sender = rclpy.create_node("doctor_sender", context=context)
    receiver = rclpy.create_node("doctor_receiver", context=context)
    topic, arrived = f"doctor_{os.getpid()}", []
    publisher = sender.create_publisher(String, topic, 1)
    receiver.create_subscription(String, topic, arrived.append, 1)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(receiver)
    deadline = time.monotonic() + PATIENCE
    while not arrived and time.monotonic() < deadline:
        publisher.publish(String(data="ping"))
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    rclpy.shutdown(context=context)
    if not arrived:
        sys.exit(f"RuntimeError: no message arrived within {PATIENCE:g} s; is UDP blocked?")


if __name__ == "__main__":
    main()
