"""A bus of servos on a pseudo-terminal, which a driver opens as it opens a serial port."""

import os
import pty
import select
import threading
import time
import tty
from collections.abc import Callable, Mapping
from pathlib import Path

from robot_policies.interface import ConfigError
from robot_policies_hardware.emulators import dynamixel, feetech
from robot_policies_hardware.emulators.servo import DYNAMIXEL, Servo

BITS = 10  # of a byte on the line: one to begin, eight, and one to end
LOOK = 0.05  # s; how often it is looked whether the bus is to close


class SerialBus:
    """A thread that answers on the far end of a serial port.

    Attributes:
        port: What a driver opens.
        servos: Servo by id; one that is taken out is silent from then on.
    """

    def __init__(
        self,
        servos: Mapping[int, Servo],
        *,
        baudrate: float = 1_000_000,
        link: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the bus.

        Args:
            servos: Servo by id; all of one maker.
            baudrate: How fast bytes travel; infinite, and they take no time. [bit/s]
            link: A link to the port, which goes when the bus is closed.
            clock: Time of the servos. [s]

        Raises:
            ConfigError: If the servos are of several makers, or something stands where the link
                is to be.
        """
        makers = {servo.model in DYNAMIXEL.numbers for servo in servos.values()}
        if len(makers) != 1:
            raise ConfigError("a bus has servos of one maker, at least one")
        if link and (link.exists() or link.is_symlink()) and not _is_dead(link):
            raise ConfigError(f"{link} is there already; expected a new name for the port")
        self._protocol = dynamixel if makers.pop() else feetech
        self.servos, self._clock, self._byte = dict(servos), clock, BITS / baudrate
        self._far, self._near = pty.openpty()
        tty.setraw(self._near)
        self.port, self._link = os.ttyname(self._near), link
        if link:
            link.unlink(missing_ok=True)
            link.symlink_to(self.port)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="serial bus", daemon=True)
        self._thread.start()

    def get(self, id_: int, name: str) -> int:
        """Return what a register of a servo holds."""
        return self.servos[id_].get(name)

    def put(self, id_: int, name: str, value: int) -> None:
        """Set a register of a servo."""
        self.servos[id_].put(name, value)

    @property
    def torque(self) -> dict[int, int]:
        """Whether each servo has torque."""
        return {id_: servo.torque for id_, servo in self.servos.items()}

    @property
    def furthest(self) -> dict[int, int]:
        """Longest way each servo was ordered to go at once. [ticks]."""
        return {id_: servo.furthest for id_, servo in self.servos.items()}

    def close(self) -> None:
        """Close the port."""
        self._closing.set()
        self._thread.join()
        if self._link:
            self._link.unlink(missing_ok=True)
        os.close(self._far)
        os.close(self._near)

    def _run(self) -> None:
        buffer = bytearray()
        while not self._closing.is_set():
            if not select.select([self._far], [], [], LOOK)[0]:
                continue
            heard = os.read(self._far, 4096)
            buffer += heard
            self._closing.wait(len(heard) * self._byte)
            for packet in self._protocol.packets(buffer):
                said = self._protocol.answer(packet, self.servos, self._clock())
                self._closing.wait(len(said) * self._byte)
                if said:
                    os.write(self._far, said)


def _is_dead(link: Path) -> bool:
    """Return whether a link leads nowhere, as that of a bus that was killed."""
    return link.is_symlink() and not link.exists()
