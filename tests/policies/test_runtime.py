"""LeRobot's own ACT, trained for a few steps and saved by LeRobot, runs as our policy.

And every way a checkpoint can be wrong is one line before anything moves.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conformance import check_policy
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.datasets import LeRobotDataset
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.factory import (
    get_policy_class,
    make_policy_config,
    make_pre_post_processors,
)
from safetensors.torch import load_file, save_file

from robot_policies.catalog import load_robot, robots
from robot_policies.interface import (
    ActionKind,
    CheckpointError,
    ConfigError,
    ContractError,
    Observation,
    Policy,
    RobotPoliciesError,
)
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.locate import checkpoints
from robot_policies.policies.runtime import LerobotRuntime

STATE, WORLD, IMAGE = (
    "observation.state",
    "observation.environment_state",
    "observation.images.top",
)
JOINTS = ["shoulder", "elbow", "wrist"]
CHUNK, FPS = 4, 10
CONTRACT = {
    "robot": "toy",
    "dt": 1.0 / FPS,
    "observation": {
        STATE: {"names": [f"{joint}.pos" for joint in JOINTS], "unit": "deg"},
        WORLD: {"names": ["ball.x", "ball.y"], "unit": "m"},
    },
    "action": {"kind": "joint_position", "names": JOINTS, "unit": "deg"},
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> LeRobotDataset:
    """Two episodes of eight frames; joints in degrees, as SO-101 data sets have them."""
    rng = np.random.default_rng(0)
    vector = {"dtype": "float32"}
    made = LeRobotDataset.create(
        "test/toy",
        fps=FPS,
        root=tmp_path_factory.mktemp("data") / "toy",
        use_videos=False,
        features={
            STATE: vector | {"shape": (3,), "names": JOINTS},
            WORLD: vector | {"shape": (2,), "names": ["x", "y"]},
            IMAGE: {"dtype": "image", "shape": (32, 40, 3), "names": ["h", "w", "c"]},
            "action": vector | {"shape": (3,), "names": JOINTS},
        },
    )
    for _ in range(2):
        for _ in range(8):
            made.add_frame(
                {
                    STATE: rng.uniform(-90, 90, 3).astype(np.float32),
                    WORLD: rng.uniform(-1, 1, 2).astype(np.float32),
                    IMAGE: rng.integers(0, 255, (32, 40, 3), dtype=np.uint8),
                    "action": rng.uniform(-90, 90, 3).astype(np.float32),
                    "task": "reach the ball",
                }
            )
        made.save_episode()
    made.finalize()
    return LeRobotDataset(
        "test/toy", root=made.root, delta_timestamps={"action": [i / FPS for i in range(CHUNK)]}
    )


def train(dataset: LeRobotDataset, folder: Path, inputs: dict[str, PolicyFeature]) -> Path:
    torch.manual_seed(0)
    config = ACTConfig(
        input_features=inputs,
        output_features={"action": PolicyFeature(FeatureType.ACTION, (3,))},
        device="cpu",
        push_to_hub=False,
        pretrained_backbone_weights=None,
        chunk_size=CHUNK,
        n_action_steps=CHUNK,
        dim_model=16,
        n_heads=2,
        dim_feedforward=16,
        n_encoder_layers=1,
        n_vae_encoder_layers=1,
        latent_dim=4,
    )
    policy = ACTPolicy(config)
    preprocess, postprocess = make_pre_post_processors(config, dataset_stats=dataset.meta.stats)
    optimizer = torch.optim.AdamW(policy.get_optim_params(), lr=1e-3)
    for batch in torch.utils.data.DataLoader(dataset, batch_size=4):
        loss, _ = policy(preprocess(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for part in (policy, preprocess, postprocess):
        part.save_pretrained(folder)
    # A hub checkpoint names weights to download for its backbone; they must not be fetched.
    edit_json(
        folder / "config.json",
        lambda c: c.update(pretrained_backbone_weights="ResNet18_Weights.IMAGENET1K_V1"),
    )
    return folder


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory) -> Path:
    inputs = {
        STATE: PolicyFeature(FeatureType.STATE, (3,)),
        WORLD: PolicyFeature(FeatureType.ENV, (2,)),
    }
    folder = train(dataset, tmp_path_factory.mktemp("act"), inputs)
    (folder / "contract.yaml").write_text(yaml.safe_dump(CONTRACT))
    return folder


@pytest.fixture(scope="module")
def trained_on_images(dataset, tmp_path_factory) -> Path:
    inputs = {
        STATE: PolicyFeature(FeatureType.STATE, (3,)),
        IMAGE: PolicyFeature(FeatureType.VISUAL, (3, 32, 40)),
    }
    folder = train(dataset, tmp_path_factory.mktemp("act_images"), inputs)
    contract = CONTRACT | {"observation": {STATE: CONTRACT["observation"][STATE]}}
    (folder / "contract.yaml").write_text(yaml.safe_dump(contract))
    return folder


@pytest.fixture
def checkpoint(trained: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(trained, tmp_path / "act"))


def edit_json(path: Path, change: Callable[[dict], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def edit_weights(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(path)
    change(weights)
    save_file(weights, path)


def edit_contract(folder: Path, change: Callable[[dict], object]) -> None:
    data = json.loads(json.dumps(CONTRACT))
    change(data)
    (folder / "contract.yaml").write_text(yaml.safe_dump(data))


def observe(*position: float) -> Observation:
    values = {STATE: np.array(position), WORLD: np.array([0.1, -0.2])}
    return Observation(values, {STATE: 3.5, WORLD: 3.4})


def test_acts_in_radians_as_lerobot_does_in_degrees(trained):
    policy = load_policy(str(trained))
    assert isinstance(policy, Policy)
    position = np.array([0.5, -0.25, 0.1])
    chunk = policy.act(observe(*position))

    network = ACTPolicy.from_pretrained(trained)
    preprocess, postprocess = make_pre_post_processors(
        network.config, pretrained_path=str(trained)
    )
    batch = {
        STATE: torch.tensor(np.rad2deg(position), dtype=torch.float32),
        WORLD: torch.tensor([0.1, -0.2]),
    }
    degrees = postprocess(network.predict_action_chunk(preprocess(batch)))
    np.testing.assert_allclose(chunk.values, np.deg2rad(degrees[0].numpy()), rtol=1e-5)


@pytest.mark.parametrize("inputs", ["trained", "trained_on_images"])
def test_keeps_the_contract(inputs, request):
    check_policy(load_policy(str(request.getfixturevalue(inputs))))


def test_policy_that_samples_and_repeats_its_first_action(dataset, tmp_path):
    """TD-MPC plans with random rollouts and follows one action for two steps."""
    config = make_policy_config(
        "tdmpc",
        device="cpu",
        push_to_hub=False,
        input_features={
            STATE: PolicyFeature(FeatureType.STATE, (3,)),
            WORLD: PolicyFeature(FeatureType.ENV, (2,)),
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (3,))},
        cem_iterations=1,
        n_gaussian_samples=8,
        n_pi_samples=2,
        n_elites=4,
    )
    processors = make_pre_post_processors(config, dataset_stats=dataset.meta.stats)
    for part in (get_policy_class("tdmpc")(config), *processors):
        part.save_pretrained(tmp_path)
    (tmp_path / "contract.yaml").write_text(yaml.safe_dump(CONTRACT))
    policy = load_policy(str(tmp_path))
    assert policy.action_spec.horizon == policy.action_spec.executed == 2
    assert policy.statistics["action"].mode == "MIN_MAX"
    check_policy(policy)


@pytest.mark.parametrize("name", checkpoints())
def test_shipped_checkpoint_keeps_the_contract(name):
    policy = load_policy(name)
    assert policy.robot in robots()
    check_policy(policy)


def test_chunk_keeps_its_spec(trained):
    policy = load_policy(str(trained))
    chunk = policy.act(observe(0.0, 0.0, 0.0))
    policy.action_spec.validate(chunk)
    assert (chunk.stamp, chunk.dt, chunk.names) == (3.5, 0.1, tuple(JOINTS))
    assert chunk.kind is ActionKind.JOINT_POSITION
    assert chunk.values.shape == (CHUNK, 3)
    assert chunk.values.dtype == np.float64
    assert policy.robot == "toy"
    assert policy.action_spec.array.units == ("rad",) * 3


def test_same_folder_same_chunk(trained):
    one, two = (load_policy(str(trained)).act(observe(0.1, 0.2, 0.3)) for _ in range(2))
    np.testing.assert_array_equal(one.values, two.values)


def test_hub_repository_comes_from_the_local_cache(trained, tmp_path, monkeypatch):
    """In the hub's own layout: refs/<branch> holds the commit, snapshots/<commit> the files."""
    repository = tmp_path / "models--someone--toy-act"
    shutil.copytree(trained, repository / "snapshots" / ("c" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    policy = load_policy("someone/toy-act")
    assert policy.name == "someone/toy-act"
    expected = load_policy(str(trained)).act(observe(0.1, 0.2, 0.3)).values
    np.testing.assert_array_equal(policy.act(observe(0.1, 0.2, 0.3)).values, expected)
    pinned = load_policy(f"someone/toy-act@{'c' * 40}")
    np.testing.assert_array_equal(pinned.act(observe(0.1, 0.2, 0.3)).values, expected)
    with pytest.raises(ConfigError, match="hub cannot be reached"):
        load_policy("someone/toy-act@other-branch")


def test_sees_images(trained_on_images):
    policy = load_policy(str(trained_on_images))
    spec = policy.observation_spec[IMAGE]
    assert (spec.shape, spec.dtype) == ((32, 40, 3), np.uint8)
    picture = np.random.default_rng(0).integers(0, 255, (32, 40, 3), dtype=np.uint8)
    position = np.array([0.1, 0.2, 0.3])
    stamps = {STATE: 1.0, IMAGE: 1.0}
    chunk = policy.act(Observation({STATE: position, IMAGE: picture}, stamps))

    network = ACTPolicy.from_pretrained(
        trained_on_images,
        config=policy.checkpoint.config,  # its backbone would be downloaded otherwise
    )
    preprocess, postprocess = make_pre_post_processors(
        network.config, pretrained_path=str(trained_on_images)
    )
    batch = {
        STATE: torch.tensor(np.rad2deg(position), dtype=torch.float32),
        IMAGE: torch.tensor(picture).permute(2, 0, 1) / 255.0,
    }
    degrees = postprocess(network.predict_action_chunk(preprocess(batch)))
    np.testing.assert_allclose(chunk.values, np.deg2rad(degrees[0].numpy()), rtol=1e-5)
    wrong = Observation({STATE: position, IMAGE: np.zeros((32, 41, 3), np.uint8)}, stamps)
    with pytest.raises(ContractError, match=r"images.top: shape \(32, 41, 3\)"):
        policy.act(wrong)


def test_statistics_are_in_si(trained, dataset):
    statistics = load_policy(str(trained)).statistics
    assert statistics.keys() == {STATE, WORLD, "action"}
    assert statistics[WORLD].mode == "IDENTITY"
    assert statistics["action"].mode == "MEAN_STD"
    for name in ("mean", "std"):
        degrees = dataset.meta.stats["action"][name]
        np.testing.assert_allclose(
            statistics["action"].values[name], np.deg2rad(degrees), rtol=1e-5
        )


def test_samples_from_its_own_seed_and_leaves_torch_alone(trained, monkeypatch):
    policy = load_policy(str(trained))
    monkeypatch.setattr(
        policy.checkpoint.policy, "predict_action_chunk", lambda batch: torch.randn(1, CHUNK, 3)
    )
    torch.manual_seed(7)
    expected = torch.randn(2)
    torch.manual_seed(7)
    policy.reset(1)
    first = [policy.act(observe(0.0, 0.0, 0.0)).values for _ in range(2)]
    assert torch.equal(torch.randn(2), expected)
    policy.reset(1)
    again = [policy.act(observe(0.0, 0.0, 0.0)).values for _ in range(2)]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    policy.reset(2)
    assert not np.array_equal(policy.act(observe(0.0, 0.0, 0.0)).values, first[0])


def test_a_device_that_is_not_there_is_one_line(trained):
    with pytest.raises(ConfigError, match="device 'cuda:99' is not there, only cpu"):
        load_policy(str(trained), device="cuda:99")


def test_a_device_without_room_is_one_line(trained, monkeypatch):
    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee more")

    policy = load_policy(str(trained))
    monkeypatch.setattr(policy.checkpoint.policy, "predict_action_chunk", full)
    with pytest.raises(ConfigError, match="^device 'cpu' is full: CUDA out of memory[^\n]*$"):
        policy.act(observe(0.0, 0.0, 0.0))
    monkeypatch.setattr("robot_policies.policies.runtime.read_checkpoint", full)
    with pytest.raises(ConfigError, match="device 'cpu' is full"):
        load_policy(str(trained), device="cpu")


def test_pictures_are_given_to_the_device_as_bytes(trained_on_images, monkeypatch):
    policy, given = load_policy(str(trained_on_images)), []
    made = torch.tensor

    def watched(values, **options):
        given.append((np.asarray(values).dtype, str(options.get("device"))))
        return made(values, **options)

    monkeypatch.setattr("robot_policies.policies.translation.torch.tensor", watched)
    policy.act(policy.observation_spec.example(np.random.default_rng(0)))
    assert (np.dtype(np.uint8), "cpu") in given


def test_half_precision_is_for_a_gpu_and_a_checkpoint_that_allows_it(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "half")
    edit_json(folder / "config.json", lambda c: c.update(use_amp=True))
    expected = load_policy(str(trained)).act(observe(0.1, 0.2, 0.3)).values
    policy = load_policy(str(folder))  # LeRobot's own rule: none on a processor
    np.testing.assert_array_equal(policy.act(observe(0.1, 0.2, 0.3)).values, expected)


def test_instruction_is_passed_on(trained, tmp_path, monkeypatch):
    path = tmp_path / "contract.yaml"
    path.write_text(yaml.safe_dump(CONTRACT | {"task": True}))
    policy = LerobotRuntime(trained, contract=path)
    heard = []
    network = policy.checkpoint.policy.predict_action_chunk
    monkeypatch.setattr(
        policy.checkpoint.policy,
        "predict_action_chunk",
        lambda batch: heard.append(batch["task"]) or network(batch),
    )
    with pytest.raises(ContractError, match="needs an instruction"):
        policy.act(observe(0.0, 0.0, 0.0))
    seen = observe(0.0, 0.0, 0.0)
    policy.act(Observation({**seen, "task": "wave"}, {**seen.stamps, "task": 0.0}))
    assert heard == [["wave"]]


def test_renamed_feature_is_asked_for_by_its_own_name(trained, checkpoint):
    edit_json(
        checkpoint / "policy_preprocessor.json",
        lambda p: p["steps"][0]["config"].update(rename_map={"observation.world": WORLD}),
    )
    edit_contract(
        checkpoint,
        lambda c: c["observation"].update({"observation.world": c["observation"].pop(WORLD)}),
    )
    policy = load_policy(str(checkpoint))
    assert policy.observation_spec.keys() == {STATE, "observation.world"}
    seen = observe(0.1, 0.2, 0.3)
    values = {STATE: seen[STATE], "observation.world": seen[WORLD]}
    chunk = policy.act(Observation(values, dict.fromkeys(values, 0.0)))
    expected = load_policy(str(trained)).act(seen).values
    np.testing.assert_array_equal(chunk.values, expected)


def test_percent_of_a_joint_range_becomes_radians(checkpoint):
    joint = load_robot("go1").joints[0]

    def change(contract):
        contract["robot"] = "go1"
        contract["action"]["names"][2] = joint.name
        contract["action"]["unit"] = ["deg", "deg", "%"]

    degrees = load_policy(str(checkpoint)).act(observe(0.0, 0.0, 0.0)).values[:, 2]
    edit_contract(checkpoint, change)
    percent = np.rad2deg(degrees)
    values = load_policy(str(checkpoint)).act(observe(0.0, 0.0, 0.0)).values[:, 2]
    expected = joint.lower + percent / 100.0 * (joint.upper - joint.lower)
    np.testing.assert_allclose(values, expected)


def test_rows_executed_and_executor_are_those_of_the_checkpoint(checkpoint):
    spec = load_policy(str(checkpoint)).action_spec
    assert (spec.horizon, spec.executed, spec.executor) == (CHUNK, CHUNK, "open_loop")
    edit_json(checkpoint / "config.json", lambda c: c.update(n_action_steps=2))
    edit_contract(checkpoint, lambda c: c.update(executor="splice"))
    policy = load_policy(str(checkpoint))
    spec = policy.action_spec
    assert (spec.horizon, spec.executed, spec.executor) == (CHUNK, 2, "splice")
    assert len(policy.act(observe(0.0, 0.0, 0.0)).values) == CHUNK


def remove(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names]


def write(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(data)


def truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def only_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    return lambda folder: edit_weights(folder / "model.safetensors", change)


def statistics(step: str, change: Callable[[dict[str, torch.Tensor]], object]) -> Callable:
    return lambda folder: edit_weights(
        next(folder.glob(f"*_{step}_processor.safetensors")), change
    )


def config(**values: object) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "config.json", lambda c: c.update(values))


def contract(change: Callable[[dict], object]) -> Callable[[Path], None]:
    return lambda folder: edit_contract(folder, change)


def without_step(file: str, name: str) -> Callable[[Path], None]:
    def change(data: dict) -> None:
        data["steps"] = [s for s in data["steps"] if s.get("registry_name") != name]

    return lambda folder: edit_json(folder / file, change)


HEAD = "model.action_head.weight"
ACTION_SHAPE = {"action": {"type": "ACTION", "shape": [5]}}
DAMAGE = {
    "no config": (remove("config.json"), "config.json is missing"),
    "config is no json": (write("config.json", b"{"), "config.json: Expecting"),
    "unknown type": (config(type="actt"), "no policy type 'actt'. Did you mean 'act'"),
    "unknown config key": (config(chunk_sise=3), "chunk_sise"),
    "impossible config": (config(dim_model=-3), "act: "),
    "an adapter": (config(use_peft=True), "is an adapter"),
    "no weights": (remove("model.safetensors"), "model.safetensors is missing"),
    "only a pickle": (only_a_pickle, "pytorch_model.bin is a pickle, which can run code"),
    "pickle in disguise": (write("model.safetensors", b"PK\x03\x04abc"), "pickle in disguise"),
    "truncated": (truncate, "damaged or truncated"),
    "empty weights": (write("model.safetensors", b""), "damaged or truncated"),
    "missing key": (weights(lambda w: w.pop(HEAD)), f"lacks '{HEAD}'"),
    "unexpected key": (
        weights(lambda w: w.update(extra=torch.ones(1))),
        "has unexpected 'extra'; is it of another policy?",
    ),
    "wrong shape": (
        weights(lambda w: w.update({HEAD: torch.ones(3, 7)})),
        f"'{HEAD}' has shape (3, 7), config.json expects (3, 16)",
    ),
    "other action width": (
        config(output_features=ACTION_SHAPE),
        "has shape (3,), config.json expects (5,)",
    ),
    "NaN": (weights(lambda w: w[HEAD].fill_(np.nan)), f"'{HEAD}' has 48 NaN or infinite"),
    "infinity": (weights(lambda w: w[HEAD][0].fill_(np.inf)), f"'{HEAD}' has 16 NaN or infinite"),
    "no preprocessor": (
        remove("policy_preprocessor.json"),
        "policy_preprocessor.json is missing, so nothing says how to normalise",
    ),
    "no postprocessor": (remove("policy_postprocessor.json"), "policy_postprocessor.json is miss"),
    "foreign processor": (
        lambda f: edit_json(
            f / "policy_preprocessor.json",
            lambda p: p["steps"].append({"class": "subprocess.Popen", "config": {"args": "id"}}),
        ),
        "a step of class 'subprocess.Popen'; a checkpoint names registered steps alone: ['act_j",
    ),
    "no normaliser": (
        without_step("policy_preprocessor.json", "normalizer_processor"),
        "observation.state: config.json says MEAN_STD, no step does it",
    ),
    "no unnormaliser": (
        without_step("policy_postprocessor.json", "unnormalizer_processor"),
        "action: config.json says MEAN_STD, no step does it",
    ),
    "statistics file missing": (
        lambda f: next(f.glob("*_normalizer_processor.safetensors")).unlink(),
        "its statistics policy_preprocessor_step_3_normalizer_processor.safetensors are missing",
    ),
    "no statistics": (
        statistics("normalizer", lambda s: s.pop(f"{STATE}.std")),
        "observation.state: MEAN_STD needs 'std', and the checkpoint has none.",
    ),
    "misspelt statistics": (
        statistics("unnormalizer", lambda s: s.update({"actions.std": s.pop("action.std")})),
        "action: MEAN_STD needs 'std', and the checkpoint has none. Did you mean 'actions.std'",
    ),
    "statistics of another width": (
        statistics("unnormalizer", lambda s: s.update({"action.mean": torch.ones(5)})),
        "action: mean has 5 values, not 3",
    ),
    "infinite statistics": (
        statistics("normalizer", lambda s: s[f"{STATE}.mean"].fill_(np.inf)),
        "observation.state: mean is not finite: [inf, inf",
    ),
    "no contract": (
        remove("contract.yaml"),
        "action: {kind: joint_position, names: [3 joints], unit: rad}",
    ),
    "contract of another width": (
        contract(lambda c: c["action"]["names"].pop()),
        "action: 2 names ['shoulder', 'elbow'], but config.json has width 3",
    ),
    "contract without a feature": (
        contract(lambda c: c["observation"].pop(STATE)),
        "observation lacks 'observation.state'",
    ),
    "contract with another feature": (
        contract(lambda c: c["observation"].update({"observation.sate": {}})),
        "no vector or cloud 'observation.sate'. Did you mean 'observation.state'",
    ),
    "contract with an unknown key": (
        contract(lambda c: c.update(rat=50)),
        "act/contract.yaml: unknown key 'rat'",
    ),
    "contract without a unit": (
        contract(lambda c: c["action"].pop("unit")),
        "act/contract.yaml: action: 'unit' is missing",
    ),
    "contract with an unknown unit": (
        contract(lambda c: c["action"].update(unit="degree")),
        "action.shoulder: no unit 'degree'. Did you mean 'deg'",
    ),
    "contract with an unknown kind": (
        contract(lambda c: c["action"].update(kind="joint_positions")),
        "no kind 'joint_positions'. Did you mean 'joint_position'",
    ),
    "contract without time": (contract(lambda c: c.update(dt=0)), "dt 0 must be a number"),
    "contract with a repeated name": (
        contract(lambda c: c["action"].update(names=["elbow", "elbow", "wrist"])),
        "element names repeat",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_bad_checkpoint_is_one_line_that_says_why(checkpoint, damage, message):
    damage(checkpoint)
    with pytest.raises(RobotPoliciesError) as caught:
        load_policy(str(checkpoint))
    assert isinstance(caught.value, CheckpointError | ConfigError | ContractError)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
