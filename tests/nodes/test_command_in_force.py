"""The command in force at a measurement is the newest that was sent before it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from robot_policies.data.ros_messages import Sample
from robot_policies.nodes.command_in_force import UNHEARD, CommandInForce


class Sent:
    """Commands on their way, by the time at which they were sent."""

    def __init__(self) -> None:
        self.stamps: list[float] = []

    def waiting(self) -> list[Sample]:
        came, self.stamps = self.stamps, []
        return [Sample(np.array([stamp]), stamp) for stamp in came]


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def commands(sent: Sent) -> CommandInForce:
    time: Any = SimpleNamespace(from_ros=lambda stamp: stamp)
    stream: Any = sent
    return CommandInForce(stream, time)


def at(commands: CommandInForce, moment: float) -> float | None:
    command = commands.at(moment)
    return None if command is None else command.stamp


def test_a_command_counts_from_the_first_measurement_after_it(sent, commands):
    sent.stamps = [0.9, 1.1, 1.2]
    assert [at(commands, moment) for moment in (0.5, 1.0, 1.15, 2.0)] == [None, 0.9, 1.1, 1.2]


def test_it_is_in_force_however_old_but_not_where_nobody_is_heard_any_more(sent, commands):
    sent.stamps = [0.0]
    known = []
    for moment in range(100, 102 + UNHEARD):
        commands.measured()
        known.append(at(commands, float(moment)))
    # The first look hears the command, so that as many measurements again pass before it is old.
    assert known == [0.0] * (UNHEARD + 1) + [None]
    sent.stamps = [104.0]
    assert at(commands, 106.0) == 104.0
