"""`robot-policies skill`, end to end on a tiny base: train, add, compose, verify, remove."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.datasets import LeRobotDataset
from safetensors.torch import load_file

from robot_policies.cli.app import main
from robot_policies.policies.psec import PsecConfig
from robot_policies.policies.psec.modeling_psec import PsecPolicy
from robot_policies.policies.psec.processor_psec import make_psec_pre_post_processors

JOINTS = ["FR_hip_joint", "FR_thigh_joint"]
NAMES = [*(f"{joint}.pos" for joint in JOINTS), "FR_hip_joint.vel"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = PsecConfig(
        hidden=16,
        n_blocks=1,
        time_dim=8,
        n_frequencies=4,
        device="cpu",
        input_features={"observation.state": PolicyFeature(FeatureType.STATE, (3,))},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (2,))},
    )
    folder = tmp_path_factory.mktemp("base") / "arm"
    policy = PsecPolicy(config)
    policy.save_pretrained(folder)
    statistics = {
        "observation.state": {"mean": torch.zeros(3), "std": torch.ones(3)},
        "action": {"min": -torch.ones(2), "max": torch.ones(2)},
    }
    for pipeline in make_psec_pre_post_processors(config, statistics):
        pipeline.save_pretrained(folder)
    contract = {
        "robot": "go1",
        "dt": 0.1,
        "observation": {"observation.state": {"names": NAMES, "unit": ["rad", "rad", "rad/s"]}},
        "action": {"names": JOINTS, "unit": "rad"},
    }
    (folder / "contract.yaml").write_text(yaml.safe_dump(contract))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return record(tmp_path_factory.mktemp("data") / "demos", 0)


def record(root, seed, *, costs=False):
    """Write two short episodes of noise; with costs, it does harm to move the first joint up."""
    features = {
        "observation.state": {"dtype": "float32", "shape": (3,), "names": NAMES},
        "action": {"dtype": "float32", "shape": (2,), "names": JOINTS},
        "next.reward": {"dtype": "float32", "shape": (1,), "names": None},
    }
    if costs:
        features["next.cost"] = features["next.reward"]
    made = LeRobotDataset.create("test/demos", 10, features, root=root, use_videos=False)
    rng = np.random.default_rng(seed)
    for _ in range(2):
        for _ in range(8):
            frame = {
                "observation.state": rng.normal(size=3).astype(np.float32),
                "action": rng.uniform(-1, 1, 2).astype(np.float32),
                "next.reward": rng.normal(size=1).astype(np.float32),
            }
            if costs:
                frame["next.cost"] = (frame["action"][:1] > 0).astype(np.float32)
            made.add_frame({**frame, "task": "go"})
        made.save_episode()
    made.finalize()
    return root


@pytest.fixture
def skill(tmp_path, monkeypatch, capsys):
    """Run the command on a library of its own; returns the status and the JSON."""
    monkeypatch.setenv("ROBOT_POLICIES_SKILLS", str(tmp_path / "library"))

    def run(*arguments):
        capsys.readouterr()
        status = main(["skill", *map(str, arguments), "--json", "-"])
        out = capsys.readouterr().out
        return status, json.loads(out) if out else None

    return run


@pytest.fixture
def trained(skill, base, data, tmp_path):
    def make(name, *options):
        out = tmp_path / "made" / name
        status, document = skill(
            *("train", name, "--base", base, "--data", data, "--out", out),
            *("--steps", 3, "--batch", 8, *options),
        )
        assert status == 0
        assert set(document["metrics"]) == {"training_loss", "training_loss_of_base"}
        return out

    return make


def test_from_training_to_a_composition_and_back(skill, base, trained, capsys, monkeypatch):
    shipped = {entry["name"] for entry in skill("list")[1]["skills"]}

    def added():
        listed = skill("list")[1]["skills"]
        return [entry for entry in listed if entry["name"] not in shipped]

    reach = trained("reach")
    avoid = trained("avoid", "--objective", "reward", "--description", "keeps away")
    for folder in (reach, avoid):
        assert skill("add", folder, "--base", base)[0] == 0
    assert [entry["name"] for entry in added()] == ["avoid", "reach"]
    assert added()[0]["description"] == "keeps away"
    assert skill("show", "avoid")[1]["training"]["objective"] == "reward"
    assert skill("verify", "avoid", "--base", base)[1]["valid"] is True

    both = ("--skill", "avoid", "--skill", "reach")
    status, made = skill(
        *("compose", "gentle", "--base", base, *both, "--weight", 0.5, "--weight", -0.2)
    )
    assert status == 0
    assert made["weights"] == [0.5, -0.2]
    assert [(p["first"], p["second"]) for p in made["interference"]] == [("avoid", "reach")]
    assert skill("compose", "any", "--base", base, *both)[1]["kind"] == "arrow"
    assert skill("compose", "reach", "--base", base, *both)[0] == 3  # a skill has that name

    capsys.readouterr()
    assert main(["list", "skills", "--json", "-"]) == 0
    named = {entry["name"] for entry in json.loads(capsys.readouterr().out)["skills"]}
    listed = skill("list")[1]
    known = [*listed["skills"], *listed["compositions"]]
    assert named == {f"{entry['name']}@{entry['version']}" for entry in known}

    asked = []
    monkeypatch.setattr(
        "robot_policies.nodes.skill_client.use_skills", lambda *all: asked.append(all) or ""
    )
    assert skill("use", "gentle", "--node", "/left/policy")[0] == 0
    folders = [entry["folder"] for entry in added()]
    assert asked == [("/left/policy", folders, [0.5, -0.2], "")]
    assert skill("use", "gentle", "--weight", 1.0)[0] == 2  # it has weights of its own
    assert skill("use", "avoid", "--weight", 1.0)[0] == 0
    assert asked[1:] == [("/policy", ["avoid"], [1.0], "")]

    assert skill("remove", "avoid")[0] == 3  # compositions need it
    for name in ("gentle", "any", "avoid"):
        assert skill("remove", name)[0] == 0
    assert [entry["name"] for entry in added()] == ["reach"]
    assert main(["skill", "list"]) == 0
    assert "reach" in capsys.readouterr().out


def test_what_cannot_be_read_is_listed_with_the_reason(skill, tmp_path, capsys):
    folder = tmp_path / "library" / "skills" / "bad" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "skill.json").write_text("{")
    (broken,) = skill("list")[1]["broken"]
    assert (broken["name"], broken["folder"]) == ("bad", str(folder))
    assert main(["skill", "list"]) == 0
    assert "not readable" in capsys.readouterr().out
    assert main(["list", "skills"]) == 0
    said = capsys.readouterr().out
    assert "bad@1.0.0" in said
    assert "UNUSABLE" in said
    assert skill("remove", "bad")[0] == 0
    assert skill("list")[1]["broken"] == []


@pytest.mark.parametrize("command", [["skill", "list"], ["list", "skills"]])
def test_listing_skills_imports_no_torch(command):
    """It took 10 s of processor time, and reads a few cards."""
    code = (
        "import sys; from robot_policies.cli.app import main\n"
        f"assert main({command}) == 0\n"
        "assert not {'torch', 'lerobot', 'transformers'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_router_is_trained_on_other_data_than_the_skill(skill, base, data, trained, capsys):
    skill("add", trained("reach"), "--base", base)
    arguments = ["skill", "compose", "ctx", "--base", str(base), "--skill", "reach"]
    assert main([*arguments, "--data", str(data), "--steps", "2"]) == 2
    assert "trained on these steps" in capsys.readouterr().err
    assert skill("list")[1]["compositions"] == []


def test_a_router_minds_where_others_did_harm(skill, base, data, trained, tmp_path, monkeypatch):
    from robot_policies.policies.psec import skill_run

    monkeypatch.setattr(skill_run, "CRITIC", replace(skill_run.CRITIC, steps=50))
    skill("add", trained("reach"), "--base", base)
    fresh, others = record(tmp_path / "new", 1), record(tmp_path / "others", 2, costs=True)
    arguments = ("--base", base, "--skill", "reach", "--data", fresh, "--steps", 2)
    status, even = skill("compose", "even", *arguments)
    assert (status, even["kind"]) == (0, "gate")
    assert skill("compose", "unlabelled", *arguments, "--costs", fresh)[0] == 2
    status, minding = skill("compose", "minding", *arguments, "--costs", others)
    assert status == 0
    bias = [
        load_file(Path(made["folder"]) / "gate.safetensors")["output.bias"]
        for made in (even, minding)
    ]
    assert not torch.equal(*bias)


def test_a_fault_is_one_line_in_a_process_of_its_own(skill, base, trained, tmp_path):
    """LeRobot, which looks for FFmpeg there for the first time, says nothing beside it."""
    skill("add", trained("reach"), "--base", base)
    words = ["skill", "compose", "x", "--base", base, "--skill", "reach", "--costs", "/nowhere"]
    command = [Path(sys.executable).with_name("robot-policies"), *words]
    command += ["--data", record(tmp_path / "new", 1)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("robot-policies: /nowhere: no LeRobotDataset")
    assert len(done.stderr.splitlines()) == 1


def test_a_changed_skill_is_1_when_asked_about_and_3_when_added(skill, base, trained, capsys):
    folder = trained("reach")
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    status, document = skill("verify", folder)
    assert status == 1
    assert "truncated or changed" in document["reason"]
    assert main(["skill", "add", str(folder), "--base", str(base)]) == 3
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_plain_adapter_becomes_a_skill_when_it_gets_a_name(skill, base, trained):
    folder = trained("reach")
    (folder / "skill.json").unlink()
    assert skill("add", folder, "--base", base)[0] == 3
    named = ("add", folder, "--base", base, "--name", "mine", "--version", "0.2.0")
    assert skill(*named, "--limit", f"{JOINTS[0]}.velocity=0.5")[0] == 0
    assert skill("show", "mine")[1]["version"] == "0.2.0"
    assert skill("show", "mine")[1]["limits"][JOINTS[0]]["velocity"] == 0.5


def test_a_stopped_training_is_resumed_when_asked(skill, base, data, tmp_path, monkeypatch):
    from robot_policies.policies.psec import skill_run

    out = tmp_path / "made" / "reach"
    arguments = ("train", "reach", "--base", base, "--data", data, "--out", out, "--batch", 8)

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(skill_run, "pack", killed)
        assert skill(*arguments, "--steps", 2)[0] == 130
    (out.with_name("reach.training")).mkdir(parents=True)
    assert skill(*arguments, "--steps", 2)[0] == 2
    assert skill(*arguments, "--steps", 2, "--resume")[0] == 0
    assert not out.with_name("reach.training").exists()
    assert skill(*arguments, "--steps", 2)[0] == 2  # never overwritten


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "nothing"], "no skill 'nothing'"),
        (["train", "Reach"], "lower-case"),
        (["train", "reach", "--objective", "safty"], "Did you mean 'safety'"),
        (["train", "reach", "--objective", "safety"], "next.cost"),
        (["train", "reach", "--limit", "knee=1"], "--limit knee=1: expected JOINT.velocity"),
        (["train", "reach", "--limit", "a.velocity=1", "--limit", "a.velocity=2"], "twice"),
        (["train", "reach", "--limit", "a.speed=1"], "speed"),
        (["add", "folder", "--limit", "a.velocity=1"], "--limit needs --name"),
        (["compose", "x", "--skill", "a", "--costs", "."], "needs --data"),
        (["compose", "x", "--skill", "nothing"], "no skill 'nothing'"),
        (
            ["compose", "x", "--skill", "a", "--data", ".", "--node", "n", "--library", "."],
            "the node's own library",
        ),
    ],
)
def test_wrong_usage_is_2_and_one_line(skill, base, data, tmp_path, capsys, arguments, said):
    extra = {
        "train": ["--base", base, "--data", data, "--out", tmp_path / "made"],
        "add": ["--base", base],
        "compose": ["--base", base],
    }.get(arguments[0], [])
    assert main(["skill", *arguments, *map(str, extra)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
