"""How long an answer of GRAPE's policy takes, as ratios to one forward pass of its network."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.table import Table

from robot_policies.policies.grape.configuration_grape import DECODINGS
from robot_policies.policies.grape.likelihood import known_likelihood
from robot_policies.policies.grape.modeling_grape import GrapePolicy
from robot_policies.policies.runtime import LerobotRuntime

TRIALS, FIRST = 60, 5


def times(checkpoint: Path) -> Iterator[Table]:
    """Yield a table: thread time of one observation, by the way of decoding.

    Args:
        checkpoint: Its network decodes in parallel; one that does so token after token is made
            with random weights.
    """
    runtime = LerobotRuntime(checkpoint)
    policy = known_likelihood(runtime.checkpoint)
    seen = runtime.observation_spec.example(np.random.default_rng(0))
    batch = runtime.prepare(seen)
    shown = Table(title=f"one observation, thread time, medians of {TRIALS}")
    for column in ("decoding", "forward pass", "decoding", "ratio"):
        shown.add_column(column)
    for decoding in DECODINGS:
        network = policy
        if decoding != policy.config.decoding:
            network = GrapePolicy(replace(policy.config, decoding=decoding)).eval()
        tokens = torch.zeros(1, len(network.config.varied), dtype=torch.long)
        with torch.no_grad():
            forward = _median(lambda n=network, t=tokens: n.log_likelihood(batch, t))
            decode = _median(lambda n=network: n.decode(batch, None, 0.0))
        shown.add_row(decoding, f"{forward:.1f} ms", f"{decode:.1f} ms", f"{decode / forward:.2f}")
    act = _median(lambda: runtime.act(seen))
    shown.add_row("act, with its pipelines", "", f"{act:.1f} ms", "")
    yield shown


def _median(call: Callable[[], object]) -> float:
    """Return the median thread time of a call. [ms]."""
    taken = []
    for _ in range(FIRST + TRIALS):
        begun = time.thread_time()
        call()
        taken.append(1000.0 * (time.thread_time() - begun))
    return float(np.median(taken[FIRST:]))
