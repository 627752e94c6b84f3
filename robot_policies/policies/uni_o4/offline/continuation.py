"""Stage `online` from a checkpoint: PPO that must not lose what the policy can do already.

Weights and V are those of the checkpoint, and so are the scales of observations and rewards,
which belong to the policy and not to a run. The first iterations teach V alone, since it was
fitted to what somebody else did. Robots' time is dear and computation is not: steps are used ten
times over, the noise is wide while there is something to find, and is taken away at the end.
"""

import math
from pathlib import Path

from robot_policies.interface import TrainingEnvironment
from robot_policies.policies.uni_o4.offline.walk import load
from robot_policies.policies.uni_o4.online.ppo import OnlineSettings
from robot_policies.policies.uni_o4.online.train import run_online

CONTINUED = OnlineSettings(
    rollout=32,
    epochs=10,  # Uni-O4 `ppo_finetune` 5 to 30; 5 did worse here, 20 no better
    lr=3e-4,
    lr_range=(1e-5, 1.5e-3),
    entropy_weight=0.0,
    value_iterations=10,  # 10 k steps of 32 robots: V must know what the wide noise brings
    difficulty_steps=(-1, 0),  # the final reward from the first step on
    # The first as wide as while walking was learned; wider, it forgets before it learns [own].
    noise_steps=(50_000, 100_000),
    noise_ceiling=(0.5, 0.15),
)


def continue_online(
    environment: TrainingEnvironment,
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
    policy.log_std.data.fill_(math.log(settings.noise_ceiling[0]))
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
