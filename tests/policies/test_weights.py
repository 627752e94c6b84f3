import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from robot_policies.interface import CheckpointError
from robot_policies.policies.weights import is_pickle, load_weights


def test_a_header_whose_length_begins_like_a_pickle_is_none(tmp_path):
    """A header is a multiple of eight long, so every 32nd length ends in 0x80."""
    layer, path = nn.Linear(2, 2), tmp_path / "model.safetensors"
    for padding in range(300):
        save_file(layer.state_dict(), path, {"note": "x" * padding})
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    load_weights(layer, path)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_is_known_by_its_first_bytes(tmp_path, protocol):
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps({"{": [1.0] * 9}, protocol))
    assert is_pickle(path)
    torch.save({"weight": torch.zeros(2)}, path)
    assert is_pickle(path)
    with pytest.raises(CheckpointError, match="pickle in disguise"):
        load_weights(nn.Linear(2, 2), path)
