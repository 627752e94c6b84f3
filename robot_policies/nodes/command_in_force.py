"""Which command was in force when the joints were measured."""

from robot_policies.data.ros_messages import Sample
from robot_policies.nodes.believed_stream import BelievedStream
from robot_policies.nodes.node_time import NodeTime

UNHEARD = 3  # measurements; a command is sent after each


class CommandInForce:
    """The newest command that was sent before a measurement.

    It was in force then, however long ago it was sent: the robot's node may have stood still.
    Where nothing is heard of commands while joints go on coming, none is known.
    """

    def __init__(self, commands: BelievedStream, time: NodeTime) -> None:
        """Keep what is asked.

        Args:
            commands: Those that were sent.
            time: Of the node that hears them.
        """
        self._stream, self._time = commands, time
        self._later: list[Sample] = []  # sent, not yet measured after
        self._newest: Sample | None = None  # sent before the last measurement
        self._unheard = 0  # measurements since a command was heard

    def measured(self) -> None:
        """Count a measurement."""
        self._unheard += 1

    def at(self, moment: float) -> Sample | None:
        """Return the command in force at a measurement, if it is known.

        Args:
            moment: Of the measurement, no earlier than the one before. [s]
        """
        heard = [*self._later, *self._stream.waiting()]
        if heard:
            self._unheard = 0
        self._later = []
        for sample in heard:
            if self._time.from_ros(sample.stamp) <= moment:
                self._newest = sample
            else:
                self._later.append(sample)
        return self._newest if self._unheard <= UNHEARD else None
