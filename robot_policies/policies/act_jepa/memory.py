"""A data set held in memory while training.

LeRobot reads the window of every vector of every sample from its table and decodes its images
anew: about 4 ms a sample, which for small networks is twice the training step itself. Vectors are
small (one hour of a six-joint arm at 30 Hz is 5 MB), and so are small images: 200 demonstrations
with two 96x96 cameras are 1 GB of pixels.
"""

from typing import Any

import numpy as np
import torch
from lerobot.datasets import LeRobotDataset
from lerobot.datasets.dataset_reader import DatasetReader
from torch import Tensor

NUMBERS = ("bool", "int", "uint", "float")
MOST_PIXELS = 4 * 2**30  # bytes; images that need more stay on disk, and are read one per sample
UINT8_MAX = 255.0  # LeRobot's images are floats in [0, 1]


def hold_in_memory(data: Any) -> Any:
    """Make a data set answer from memory; one that streams, or loads images over time, stays.

    The answers are those of LeRobot, to the bit.
    """
    if not isinstance(data, LeRobotDataset) or data.reader is None:
        return data
    windows = data.reader.delta_indices
    if not windows or any(key in data.meta.camera_keys for key in windows):
        return data
    data.reader.get_item = MemoryReader(data.reader, windows)  # pyright: ignore[reportAttributeAccessIssue]
    return data


class MemoryReader:
    """Stands in for `DatasetReader.get_item`."""

    def __init__(self, reader: DatasetReader, windows: dict[str, list[int]]) -> None:
        """Read every vector once, and every image if they are pictures and not too many.

        Args:
            reader: LeRobot's reader; goes on reading the images that are not held.
            windows: Steps of each feature to load, relative to the current one.
        """
        meta, table = reader._meta, reader.hf_dataset
        assert table is not None  # the data set has been loaded
        assert meta.tasks is not None
        names = [k for k, feature in meta.features.items() if feature["dtype"].startswith(NUMBERS)]
        columns = table.select_columns(names).with_format("arrow")[:]
        self.values = {name: torch.tensor(columns[name].to_pylist()) for name in names}
        _, counts = self.values["episode_index"].unique_consecutive(return_counts=True)
        end = counts.cumsum(0)
        self.first = (end - counts).repeat_interleave(counts)  # row its episode begins with
        self.last = (end - 1).repeat_interleave(counts)  # row its episode ends with
        self.windows = {name: torch.tensor(offsets) for name, offsets in windows.items()}
        self.tasks = [str(task) for task in meta.tasks.index]
        self.images = read_images(reader)
        self.disk = reader if len(self.images) < len(meta.camera_keys) else None
        reader.delta_indices = None

    def __call__(self, index: int) -> dict[str, Tensor | str]:
        """Return a sample; beyond its episode the last step is repeated and marked as padding."""
        if self.disk is None:
            item: dict[str, Tensor | str] = {
                name: values[index] for name, values in self.values.items()
            }
            for name, images in self.images.items():
                item[name] = images[index].float().div_(UINT8_MAX)
        else:
            item = DatasetReader.get_item(self.disk, index)
        for name, offsets in self.windows.items():
            rows = index + offsets
            inside = rows.clamp(self.first[index], self.last[index])
            item[name] = self.values[name][inside]
            item[f"{name}_is_pad"] = rows != inside
        item["task"] = self.tasks[int(self.values["task_index"][index])]
        return item


def read_images(reader: DatasetReader) -> dict[str, Tensor]:
    """Return the pictures of each camera, or nothing if LeRobot has to read them.

    It has to if they are videos, depths, augmented, or more than `MOST_PIXELS`.

    Returns:
        By camera, uint8. Shape (frames, 3, H, W).
    """
    meta, table = reader._meta, reader.hf_dataset
    assert table is not None
    pictures = list(meta.image_keys)
    size = len(table) * sum(int(np.prod(meta.features[name]["shape"])) for name in pictures)
    if (
        size > MOST_PIXELS
        or meta.video_keys
        or meta.depth_keys
        or reader._image_transforms is not None
    ):
        return {}
    rows: Any = table.select_columns(pictures).with_format("numpy") if pictures else ()
    held: dict[str, Tensor] = {}
    for number, row in enumerate(rows):
        for name in pictures:
            picture = torch.tensor(row[name]).permute(2, 0, 1)
            if number == 0:
                held[name] = torch.empty((len(table), *picture.shape), dtype=torch.uint8)
            held[name][number] = picture
    return held
