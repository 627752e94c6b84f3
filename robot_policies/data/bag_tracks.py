"""What a bag has of each stream of the contract: stamps and values, in the order of the file."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robot_policies.data.bag_file import BagFile, BagTopic
from robot_policies.data.ros_messages import Sample
from robot_policies.data.ros_streams import BASE_SENT, CARRIERS, PICTURES, Carrier
from robot_policies.interface import ConfigError, ContractError
from robot_policies.interface.observation import COMMAND, EFFORT

BASE = "base_command"  # key of the track of base velocities that were sent
PLACE = re.escape("{}")


@dataclass
class Track:
    """One stream.

    Attributes:
        topic: Where it came from.
        carrier: How it is read.
        names: Names of its elements, where messages carry them.
        stamps: Capture time of each sample. [s]
        values: Of each; pictures are left in the file, and this has the first of them only.
    """

    topic: BagTopic
    carrier: Carrier
    names: tuple[str, ...] = ()
    stamps: list[float] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)


def read_tracks(bag: BagFile) -> tuple[dict[str, Track], list[str]]:
    """Return the tracks of a bag by feature, and what was left out, one line each.

    Raises:
        ConfigError: If the bag is damaged, or two topics carry one stream.
    """
    tracks: dict[str, Track] = {}
    chosen: dict[str, list[str]] = {}  # features by topic
    bad: dict[str, tuple[int, str]] = {}
    for topic, data in bag.messages():
        if topic.name not in chosen:
            chosen[topic.name] = list(_begin(bag, topic, tracks))
        if not chosen[topic.name]:
            continue
        try:
            message = bag.read(topic, data)
            for feature in chosen[topic.name]:
                if feature != EFFORT or len(message.effort):
                    _add(tracks[feature], feature, tracks[feature].carrier.decode(message))
        except ContractError as error:
            count = bad.get(topic.name, (0, ""))[0]
            bad[topic.name] = count + 1, str(error)
    notes = [f"{name}: {n} messages left out, such as: {text}" for name, (n, text) in bad.items()]
    return {name: track for name, track in tracks.items() if track.stamps}, notes


def pictures(bag: BagFile, track: Track) -> Iterator[np.ndarray]:
    """Yield the pictures of a track, which are too many to keep."""
    for topic, data in bag.messages(track.topic.name):
        try:
            yield track.carrier.decode(bag.read(topic, data)).values  # type: ignore[misc]
        except ContractError:
            continue


def _begin(bag: BagFile, topic: BagTopic, tracks: dict[str, Track]) -> Iterator[str]:
    for feature, carrier in _features(topic.name):
        if carrier.type != topic.type:
            continue  # a topic of this name that is something else
        if feature in tracks and tracks[feature].topic.name != topic.name:
            both = f"{tracks[feature].topic.name} and {topic.name}"
            raise ConfigError(f"{bag.path}: {both} may both be '{feature}'; one robot is expected")
        tracks[feature] = Track(topic, carrier)
        yield feature


def _features(topic: str) -> Iterator[tuple[str, Carrier]]:
    """Yield the streams that a topic may carry, in whatever namespace it is."""
    named: Mapping[str, Carrier] = {**CARRIERS, BASE: BASE_SENT}
    for feature, carrier in named.items():
        if topic == f"/{carrier.topic}" or topic.endswith(f"/{carrier.topic}"):
            yield feature, carrier
    for kind, carrier in PICTURES.items():
        pattern = re.escape(carrier.topic).replace(PLACE, "([^/]+)")
        if found := re.search(f"/{pattern}$", topic):
            yield f"{kind}.{found[1]}", carrier


def is_picture_track(track: Track) -> bool:
    """Return whether the samples of a track are pictures."""
    return track.carrier in PICTURES.values()


def _add(track: Track, feature: str, sample: Sample) -> None:
    if not track.stamps:
        track.names = sample.names
    elif sample.names != track.names:
        known = "joints" if feature == COMMAND else "names"
        raise ContractError(f"{feature}: {known} {list(sample.names)}, before {list(track.names)}")
    if not is_picture_track(track) or not track.values:
        track.values.append(sample.values)
    track.stamps.append(sample.stamp)
