"""Two processes and one camera image: how long it takes between them, and whether any is lost.

`python -m robot_policies.nodes.image_probe [COUNT]` sends; it starts the receiver itself and
prints one JSON line. Conversions, quality of service and transport settings are those of the
nodes; who calls it sets the environment.
"""

import json
import subprocess
import sys
import time

import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image

from robot_policies.nodes.messages import encode_feature
from robot_policies.nodes.qos import COMMAND
from robot_policies.nodes.streams import stream

FEATURE = "observation.images.probe"
SIZE = (480, 640, 3)
RATE = 30.0  # Hz
PATIENCE = 10.0  # s


def receive(count: int) -> None:
    """Print the delays [s] of the images that came, once the last has or none comes any more."""
    rclpy.init()
    node, delays, last = Node("image_receiver"), [], [time.monotonic() + PATIENCE]

    def take(message: Image) -> None:
        sample = stream(FEATURE).decode(message)
        delays.append(time.time() - sample.stamp)
        last[0] = time.monotonic() + 1.0

    node.create_subscription(Image, stream(FEATURE).topic, take, COMMAND)
    print("ready", flush=True)
    while len(delays) < count and time.monotonic() < last[0]:
        rclpy.spin_once(node, timeout_sec=0.1)
    print(json.dumps(delays), flush=True)
    rclpy.shutdown()


def send(count: int) -> list[float]:
    """Send images to a receiver in another process and return the delays of those it got. [s]."""
    rclpy.init()
    node = Node("image_sender")
    publisher = node.create_publisher(Image, stream(FEATURE).topic, COMMAND)
    words = (str(count), "receive")
    command = (sys.executable, "-P", "-m", "robot_policies.nodes.image_probe", *words)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout
        receiver.stdout.readline()
        end = time.monotonic() + PATIENCE
        while publisher.get_subscription_count() < 1 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.5)  # the receiver's side of discovery
        due = time.monotonic()
        images = np.random.default_rng(0).integers(0, 255, (2, *SIZE), dtype=np.uint8)
        for k in range(count):
            due += 1.0 / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            publisher.publish(encode_feature(FEATURE, images[k % 2], time.time()))
        delays = json.loads(receiver.stdout.readline())
    rclpy.shutdown()
    return delays


def main() -> None:
    """Send, or receive where the sender asks for it."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    if sys.argv[2:] == ["receive"]:
        receive(count)
        return
    print(json.dumps(send(count)))


if __name__ == "__main__":
    main()
