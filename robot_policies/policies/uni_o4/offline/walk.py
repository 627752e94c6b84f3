"""The offline phase for the quadruped: a checkpoint and a folder of logs in, a checkpoint out."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from lerobot.configs.policies import PreTrainedConfig
from torch import nn

from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.policies.uni_o4.configuration_uni_o4 import UniO4Config
from robot_policies.policies.uni_o4.data.dataset import Reward, read_walks
from robot_policies.policies.uni_o4.data.transitions import Transitions
from robot_policies.policies.uni_o4.export import export
from robot_policies.policies.uni_o4.modeling_uni_o4 import UniO4Policy
from robot_policies.policies.uni_o4.offline.behavior import GaussianActor
from robot_policies.policies.uni_o4.offline.held_out import held_out_report
from robot_policies.policies.uni_o4.offline.run import OfflineRun, prepare
from robot_policies.policies.uni_o4.offline.settings import OfflineSettings
from robot_policies.policies.uni_o4.offline.train import run_offline
from robot_policies.policies.uni_o4.spaces import WalkSpace
from robot_policies.policies.weights import load_weights

# Equal copies stay equal: where all members are one, the divergence has no gradient.
MEMBER_SPREAD = 0.02  # share of a layer's deviation by which copies differ at first
LEAST_STD = 0.05  # of the logged noise, in units of the action; with less nothing can be compared


def offline(
    data: Path,
    init: Path,
    out: Path,
    reward: Reward,
    *,
    settings: OfflineSettings | None = None,
    seed: int = 0,
    resume: bool = False,
    threads: int = 1,
    limit_actions: bool = True,
    hold_out: float = 0.0,
) -> Mapping[str, Any]:
    """Improve a walking policy on logged walks and write its checkpoint to `out`.

    Args:
        data: LeRobotDataset v3 folder.
        init: Checkpoint to start from, such as the one that walked.
        out: Folder of the checkpoint, the log and the state to resume from.
        reward: See `read_walks`.
        settings: Numbers of the phase.
        seed: Seeds weights and noise.
        resume: Continue from `out`.
        threads: Torch threads.
        limit_actions: See `read_walks`.
        hold_out: Share of the episodes nothing is learned from, to report on at the end.

    Returns:
        What the run found, and `held_out`.

    Raises:
        ConfigError: If the data cannot be used.
        CheckpointError: If `init` is none of this policy, or `out` cannot be continued.
        TrainingDiverged: With the reason.
    """
    policy = load(init)
    logged = read_walks(data, policy.config, reward, limit_actions=limit_actions)
    return offline_on(
        policy,
        logged,
        out,
        settings=settings,
        seed=seed,
        resume=resume,
        threads=threads,
        hold_out=hold_out,
    )


def offline_on(
    policy: UniO4Policy,
    logged: Transitions,
    out: Path,
    *,
    settings: OfflineSettings | None = None,
    seed: int = 0,
    resume: bool = False,
    threads: int = 1,
    hold_out: float = 0.0,
) -> Mapping[str, Any]:
    """Improve a policy on rows that are read already; arguments as of `offline`.

    What the policy did not see is for Uni-O4 alone; other methods learn as they were published.
    """
    torch.set_num_threads(threads)
    settings = settings or OfflineSettings()
    logged = logged if settings.method == "uni_o4" else logged.seen()
    kept, held = logged.split(hold_out) if hold_out else (logged, None)
    run = prepare_walk(policy, kept, settings, seed)
    result = policy.requires_grad_(False)

    def on_save(run: OfflineRun) -> None:
        export(adapted(result, run), out)

    found = dict(run_offline(run, out, resume=resume, on_save=on_save))
    export(adapted(result, run), out)
    if held is not None:
        found["held_out"] = held_out_report(run, held)
    return found


def load(folder: Path) -> UniO4Policy:
    """Read a checkpoint of this policy, to learn from; whatever noise it logged with is left off.

    Raises:
        CheckpointError: If it is damaged or of another policy.
    """
    try:
        config = PreTrainedConfig.from_pretrained(folder)
    except Exception as error:  # draccus, huggingface_hub and json each raise their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{folder}: config.json: {reason}") from None
    if not isinstance(config, UniO4Config):
        raise CheckpointError(f"{folder} is a policy of type {config.type}, not uni_o4")
    config.exploration = 0.0
    policy = UniO4Policy(config)
    load_weights(policy, folder / "model.safetensors")
    return policy


def prepare_walk(
    policy: UniO4Policy, data: Transitions, settings: OfflineSettings, seed: int
) -> OfflineRun:
    """Make a run whose members and V start from a policy, with the noise of the logs.

    Raises:
        ConfigError: If the logs hold the policy's own actions and nothing else.
    """
    first = GaussianActor(policy, data.privileged)
    with torch.no_grad():
        observation = torch.from_numpy(data.observation)
        means = torch.cat([first(rows)[0] for rows in observation.split(4096)])
        spread = (torch.from_numpy(data.action) - means).std(0)
        first.log_std.copy_(spread.clamp(min=LEAST_STD).log())
    if float(spread.mean()) < LEAST_STD:
        raise ConfigError(
            f"{data.source}: its actions deviate by {float(spread.mean()):.3f} from what the "
            f"policy says, expected at least {LEAST_STD}: without noise nothing is learned about "
            f'other actions; log with "exploration": 0.3 in config.json'
        )
    made = 0

    def actor() -> nn.Module:
        nonlocal made
        made += 1
        return deepcopy(first) if made == 1 else _varied(first)

    space = WalkSpace(policy.config, data.privileged)
    return prepare(data, space, actor, lambda: policy.value, settings, seed)


def adapted(policy: UniO4Policy, run: OfflineRun) -> UniO4Policy:
    """Return the policy with what the run would hand on now: actor, noise and V."""
    chosen = run.policy
    assert isinstance(chosen, GaussianActor)
    policy.actor.load_state_dict(chosen.mean.state_dict())
    policy.log_std.data.copy_(chosen.log_std.detach())
    policy.value.load_state_dict(run.networks.critics.value.state_dict())
    return policy


def _varied(actor: GaussianActor) -> GaussianActor:
    """Return a copy whose weights w are w + `MEMBER_SPREAD` std(w) n, n from N(0, 1) [own].

    Members that are one have a divergence without gradient.
    """
    copy = deepcopy(actor)
    with torch.no_grad():
        for parameter in copy.mean.parameters():
            if parameter.numel() > 1:
                noise = torch.randn_like(parameter) * parameter.std()
                parameter.add_(MEMBER_SPREAD * noise)
    return copy
