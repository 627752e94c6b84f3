"""Stage `online` from a checkpoint: PPO that must not lose what the policy can do already.

Weights and V are those of the checkpoint, and so are the scales of observations and rewards,
which belong to the policy and not to a run. The noise is that, but no more than moves a robot that
walks already. The first iterations teach V alone, since it was fitted to what somebody else did;
then the policy moves in small steps.
"""

from pathlib import Path

from robot_policies.policies.uni_o4.offline_walk import load
from robot_policies.policies.uni_o4.ppo import OnlineSettings, VectorEnvironment
from robot_policies.policies.uni_o4.train import run_online

CONTINUED = OnlineSettings(
    rollout=32,
    lr=1e-4,
    lr_range=(2e-5, 3e-4),  # Uni-O4 `ppo_finetune`: 1e-6 to 3e-5, 1e5 to 1e6 steps of them
    kl_range=(0.003, 0.01),
    clip=0.1,  # idem 0.05
    entropy_weight=0.0,
    value_iterations=3,
    difficulty_steps=(-1, 0),  # the final reward from the first step on
    noise_steps=(-1, 0),
    # Logs are taken with 0.3; less is nearer to the mean action that is wanted [own].
    noise_ceiling=(0.2, 0.2),
)


def continue_online(
    environment: VectorEnvironment,
    init: Path,
    out: Path,
    *,
    seed: int = 0,
    minutes: float | None = None,
    steps: int | None = None,
    resume: bool = False,
    threads: int = 1,
    settings: OnlineSettings = CONTINUED,
) -> Path:
    """Train a checkpoint further and write the result to `out`; arguments as of `run_online`.

    Raises:
        CheckpointError: If `init` is damaged or of another policy.
    """
    policy = load(init)
    return run_online(
        environment,
        policy.config,
        out,
        seed=seed,
        minutes=minutes,
        steps=steps,
        resume=resume,
        threads=threads,
        settings=settings,
        init=policy,
    )
