"""A checkpoint is data: whatever it holds, nothing runs, and the refusal is one line."""

import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models

from robot_policies.interface import CheckpointError, RobotPoliciesError
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.files import CheckpointFiles
from robot_policies.policies.processors import read_processors
from robot_policies.shared_files import share_directory

CONFIG, PRE, POST = "config.json", "policy_preprocessor.json", "policy_postprocessor.json"
WEIGHTS, CONTRACT = "model.safetensors", "contract.yaml"
RENAME, NORMALISE = 0, 3  # places of steps in the shipped checkpoint
Damage = Callable[[Path], object]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of a shipped checkpoint, to damage."""
    source = share_directory() / "checkpoints" / "uni_o4" / "go1_walk"
    return Path(shutil.copytree(source, tmp_path / "walk"))


def edit(name: str, change: Callable[[Any], object]) -> Damage:
    def damage(folder: Path) -> None:
        data = json.loads((folder / name).read_text())
        change(data)
        (folder / name).write_text(json.dumps(data))

    return damage


def said(**values: object) -> Damage:
    return edit(CONFIG, lambda data: data.update(values))


def step(entry: object, at: int = 0) -> Damage:
    return edit(PRE, lambda data: data["steps"].insert(at, entry))


def settings(place: int, **values: object) -> Damage:
    return edit(PRE, lambda data: data["steps"][place]["config"].update(values))


def text(name: str, content: str | bytes) -> Damage:
    content = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(content)


def header(content: bytes, length: int | None = None, data: int = 0) -> Damage:
    start = struct.pack("<Q", len(content) if length is None else length)
    return text(WEIGHTS, start + content + bytes(data))


def link(name: str, target: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return damage


def link_to_a_copy_outside(folder: Path) -> None:
    outside = folder.parent / "outside.safetensors"
    shutil.move(folder / WEIGHTS, outside)
    (folder / WEIGHTS).symlink_to(outside)


def pipe(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / WEIGHTS)


TENSOR = b'"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}'
TOUCH = ["/bin/sh", "-c", "touch canary"]
# Callables that a step by class reached, of this package, LeRobot, transformers and torch.
CLASSES = {
    "robot_policies.launching.latency._run": {
        "command": TOUCH,
        "seconds": 5,
        "environment": {},
        "domain": 63,
    },
    "lerobot.utils.import_utils.import_module": {"name": "antigravity"},
    "lerobot.processor.DeviceProcessorStep": {"device": "cpu"},
    "transformers.AutoTokenizer.from_pretrained": {"trust_remote_code": True},
    "torch.load": {"f": "canary.pt", "weights_only": False},
    "subprocess.Popen": {"args": TOUCH},
    "os.system": {"command": "touch canary"},
}
HOSTILE: dict[str, tuple[Damage, str]] = {
    **{
        name: (step({"class": name, "config": config}), f"a step of class '{name}'")
        for name, config in CLASSES.items()
    },
    "class beside a name": (
        step({"registry_name": "to_batch_processor", "class": "os.system"}),
        "a step of class 'os.system'",
    ),
    "code of a tokenizer": (
        step({"registry_name": "action_tokenizer_processor", "config": {}}),
        "runs Python code that comes with its tokenizer",
    ),
    "tokenizer elsewhere": (
        step({"registry_name": "tokenizer_processor", "config": {"tokenizer_name": "../evil"}}),
        "tokenizer '../evil' must be a folder of the checkpoint",
    ),
    "tokenizer of the hub": (
        step({"registry_name": "tokenizer_processor", "config": {"tokenizer_name": "evil/one"}}),
        "tokenizer 'evil/one' must be a folder of the checkpoint",
    ),
    "registered, but of no policy": (
        step({"registry_name": "reward_classifier_processor", "config": {"pretrained_path": "x"}}),
        "no step 'reward_classifier_processor' here",
    ),
    "name is a list": (step({"registry_name": ["to_batch_processor"]}), "no step '['to_batch"),
    "step is a text": (step("to_batch_processor"), "a step is a JSON object"),
    "step of another policy": (
        step({"registry_name": "pi0_new_line_processor", "config": {}}),
        "step 'pi0_new_line_processor' is of another type of policy, in",
    ),
    "step of the other pipeline": (
        edit(POST, lambda d: d["steps"][0].update(registry_name="normalizer_processor")),
        "no step 'normalizer_processor' here. Did you mean 'unnormalizer_processor'",
    ),
    "step twice": (
        edit(PRE, lambda d: d["steps"].append(d["steps"][NORMALISE])),
        "step 'normalizer_processor' stands there twice",
    ),
    "renamed too late": (
        edit(PRE, lambda d: d["steps"].append(d["steps"].pop(RENAME))),
        "step 'normalizer_processor' stands before 'rename_observations_processor'",
    ),
    "steps are none": (text(PRE, '{"steps": 3}'), "expected a list of 'steps'"),
    "unknown setting": (settings(NORMALISE, stats={"a": 1}), "unknown key 'stats'"),
    "unknown key of a step": (
        edit(PRE, lambda d: d["steps"][RENAME].update(module="os")),
        "unknown key 'module'",
    ),
    "two under one name": (
        settings(RENAME, rename_map={"a": "c", "b": "c"}),
        "a new name repeats",
    ),
    "renamed to a list": (settings(RENAME, rename_map={"a": []}), "must hold names"),
    "eps hides all": (settings(NORMALISE, eps=1e9), "eps 1000000000.0 must be in (0, 1e-06]"),
    "eps is nothing": (settings(NORMALISE, eps=0), "eps 0 must be in (0, 1e-06]"),
    "eps is a text": (settings(NORMALISE, eps="1e-8"), "eps '1e-8' must be in (0, 1e-06]"),
    "eps is NaN": (settings(NORMALISE, eps=float("nan")), "NaN is no JSON number"),
    "unknown feature": (
        settings(NORMALISE, features={"observation.sate": {"type": "STATE", "shape": [24]}}),
        "no feature 'observation.sate'. Did you mean 'observation.state'",
    ),
    "feature of another type": (
        edit(
            PRE, lambda d: d["steps"][NORMALISE]["config"]["features"]["action"].update(type="ENV")
        ),
        "feature 'action' is of type ENV, config.json says ACTION",
    ),
    "no such mode": (settings(NORMALISE, norm_map={"STATE": "NONE"}), "'NONE' is not a valid"),
    "statistics elsewhere": (
        edit(PRE, lambda d: d["steps"][NORMALISE].update(state_file="../outside.safetensors")),
        "'../outside.safetensors' lies outside the checkpoint",
    ),
    "statistics of no normaliser": (
        edit(PRE, lambda d: d["steps"][RENAME].update(state_file=WEIGHTS)),
        "step 'rename_observations_processor' has no statistics",
    ),
    "type is a module": (said(type="checkpoint"), "no policy type 'checkpoint'"),
    "type is a path": (said(type="../../evil"), "no policy type '../../evil'"),
    "type runs code": (said(type="gaussian_actor"), "no policy type 'gaussian_actor'"),
    "type is a list": (said(type=["uni_o4"]), "no policy type ['uni_o4']"),
    "1e9 steps": (said(history=10**9), "history = 1000000000, at most 10000 makes sense"),
    "1e9 wide": (said(hidden=[10**9, 128]), "hidden = 1000000000, at most 1000000 makes sense"),
    "more than memory": (said(hidden=[900_000, 900_000]), "has shape"),
    "endless layers": (said(hidden=[1] * 5000), "far more layers than model.safetensors holds"),
    "1e9 elements": (
        edit(CONFIG, lambda d: d["input_features"]["observation.state"].update(shape=[10**9])),
        "input_features = 1000000000",
    ),
    "no elements": (
        edit(CONFIG, lambda d: d["input_features"]["observation.state"].update(shape=[0])),
        "'observation.state' has shape [0]",
    ),
    "deep configuration": (
        text(CONFIG, '{"type": "uni_o4", "a": ' + "[" * 200_000 + "]" * 200_000 + "}"),
        "nested deeper than 64",
    ),
    "deep processor": (text(PRE, '{"steps": ' + "[" * 5000 + "]" * 5000 + "}"), "deeper than 64"),
    "larger than any float": (said(dt=10**400), "bits is larger than any float"),
    "infinite": (
        text(CONFIG, '{"type": "uni_o4", "dt": 1e999}'),
        "1e999 is larger than any float",
    ),
    "5000 digits": (text(CONFIG, '{"dt": ' + "9" * 5000 + "}"), "digits"),
    "laughs": (
        text(
            CONTRACT,
            "a: &a [l, l, l, l, l, l, l, l, l]\n"
            + "".join(
                f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n"
                for before, one in zip("abcdefgh", "bcdefghi", strict=True)
            ),
        ),
        "more than 200000 values",
    ),
    "deep contract": (text(CONTRACT, "a: " + "[" * 5000), "deeper than 64"),
    "contract runs code": (
        text(CONTRACT, "robot: !!python/object/apply:os.system [touch canary]"),
        "could not determine a constructor",
    ),
    "giant header": (header(b'{"a":1}', length=1 << 62), "a header of 4611686018427387904 bytes"),
    "header of 5 MB": (header(b'{"a":"' + b"x" * (5 << 20) + b'"}'), "at most 4194304 make sense"),
    "deep header": (header(b'{"a":' * 100_000), "damaged or truncated: header"),
    "header of no tensors": (header(b'{"a": 3}'), "damaged or truncated: header"),
    "repeated tensor": (header(b"{" + TENSOR + b"," + TENSOR + b"}", data=16), "'a' stands there"),
    "weights link outside": (link(WEIGHTS, "/etc/passwd"), "is a link that leaves the checkpoint"),
    "weights link to weights": (link_to_a_copy_outside, "is a link that leaves the checkpoint"),
    "configuration link outside": (link(CONFIG, "/etc/passwd"), "is a link that leaves"),
    "processor link outside": (link(PRE, "/etc/passwd"), "is a link that leaves the checkpoint"),
    "contract link outside": (link(CONTRACT, "/etc/passwd"), "is a link that leaves"),
    "weights are a pipe": (pipe, "model.safetensors is missing"),
}


@pytest.mark.parametrize(("damage", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_checkpoint_is_one_line_and_runs_nothing(checkpoint, damage, message, monkeypatch):
    monkeypatch.chdir(checkpoint.parent)
    damage(checkpoint)
    with pytest.raises(RobotPoliciesError) as caught:
        load_policy(str(checkpoint))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(checkpoint.parent.rglob("canary*"))


def test_two_tensors_of_one_place_are_refused(checkpoint):
    """safetensors finds it, where the names and shapes are the network's."""
    path = checkpoint / WEIGHTS
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    entries = json.loads(raw[8 : 8 + length])
    biases = [name for name in entries if name.endswith("bias")]
    same = [n for n in biases if entries[n]["shape"] == entries[biases[0]]["shape"]]
    entries[same[1]]["data_offsets"] = entries[same[0]]["data_offsets"]
    changed = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + raw[8 + length :])
    with pytest.raises(CheckpointError, match="invalid offset"):
        load_policy(str(checkpoint))


def test_a_link_within_the_folder_is_followed(checkpoint):
    (checkpoint / WEIGHTS).rename(checkpoint / "best.safetensors")
    (checkpoint / WEIGHTS).symlink_to("best.safetensors")
    load_policy(str(checkpoint))


def test_loading_leaves_no_file_behind(checkpoint, tmp_path, monkeypatch):
    """LeRobot writes a temporary copy of `config.json`, and leaves it."""
    empty = tmp_path / "temporary"
    empty.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(empty))
    load_policy(str(checkpoint))
    assert list(empty.iterdir()) == []


FEATURES = {
    "input_features": {"observation.state": PolicyFeature(FeatureType.STATE, (2,))},
    "output_features": {"action": PolicyFeature(FeatureType.ACTION, (2,))},
}


@pytest.fixture
def reads_language(tmp_path: Path) -> Path:
    """Processors alone, with a tokenizer in the checkpoint's own folder."""
    words = {"<pad>": 0, "pick": 1, "place": 2}
    (tmp_path / "words").mkdir()
    Tokenizer(models.WordLevel(words, unk_token="<pad>")).save(
        str(tmp_path / "words" / "tokenizer.json")
    )
    text("words/tokenizer_config.json", '{"pad_token": "<pad>"}')(tmp_path)
    tokenize = {"tokenizer_name": "words", "max_length": 3}
    steps = [
        {"registry_name": "to_batch_processor", "config": {}},
        {"registry_name": "smolvla_new_line_processor", "config": {}},
        {"registry_name": "tokenizer_processor", "config": tokenize},
    ]
    text(PRE, json.dumps({"steps": steps}))(tmp_path)
    text(POST, '{"steps": []}')(tmp_path)
    return tmp_path


def processors(folder: Path):
    return read_processors(SimpleNamespace(**FEATURES), CheckpointFiles(folder), "cpu")


def test_tokenizer_of_the_checkpoint_is_read(reads_language):
    pipeline, _ = processors(reads_language)
    batch = pipeline({"observation.state": torch.zeros(2), "task": "place"})
    assert batch["observation.language.tokens"].shape == (1, 3)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            text("words/tokenizer_config.json", '{"auto_map": {"AutoTokenizer": "x.X"}}'),
            "auto_map",
        ),
        (text("words/tokenizer_config.json", '{"pad_token": 3}'), "special token 3"),
        (text("words/tokenizer_config.json", "{}"), "no 'pad_token'"),
        (text("words/tokenizer.json", "["), "tokenizer.json: "),
        (text("words/tokenizer.json", '{"a":' * 10_000), "tokenizer.json: "),
        (link("words/tokenizer.json", "/etc/passwd"), "is a link that leaves"),
        (lambda folder: shutil.rmtree(folder / "words"), "tokenizer.json is missing"),
    ],
)
def test_hostile_tokenizer_is_one_line(reads_language, damage, message):
    damage(reads_language)
    with pytest.raises(CheckpointError) as caught:
        processors(reads_language)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_displacements_need_the_state_they_start_from(reads_language):
    absolute = {"registry_name": "absolute_actions_processor", "config": {"enabled": True}}
    text(POST, json.dumps({"steps": [absolute]}))(reads_language)
    with pytest.raises(CheckpointError, match="remembers the state"):
        processors(reads_language)
    relative = {"registry_name": "relative_actions_processor", "config": {"enabled": True}}
    step(relative)(reads_language)
    before, after = processors(reads_language)
    before({"observation.state": torch.tensor([1.0, 2.0]), "task": "pick"})
    torch.testing.assert_close(after(torch.ones(1, 2)), torch.tensor([[2.0, 3.0]]))


def test_statistics_of_a_giant_file_are_not_read(checkpoint):
    path = next(checkpoint.glob("*_normalizer_processor.safetensors"))
    stored = load_file(path)
    save_file({**stored, "observation.state.large": torch.zeros(5 << 20)}, path)
    with pytest.raises(CheckpointError, match="at most 16777216 make sense"):
        load_policy(str(checkpoint))
