"""What a frozen context encoder knows of the future: the paper's world-model metric (Table 2).

A fresh decoder is trained to read the states to come out of s_x, and judged on episodes it has
not seen. The authors report the smallest training-batch value on overlapping splits; here it is
the last decoder on the held-out episodes. Beside each encoder stands a random one, the floor, and
beside the decoder a ridge regression on s_x, which is exact where a few hundred steps may not be:
a decoder worse than "the state stays as it is" has not been trained for long enough to compare.

    main(["--dataset.root=DIR", "--encoder", "joint=CHECKPOINT", "--encoder", "act=CHECKPOINT"])
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from robot_policies.interface import ConfigError
from robot_policies.policies.act_jepa.probe_data import (
    encode,
    load_encoder,
    open_futures,
    statistic,
)
from robot_policies.policies.act_jepa.probe_fits import (
    ProbeConfig,
    errors,
    held_out,
    probe,
    regress,
)

RANDOM = "random"


def main(argv: Sequence[str]) -> None:
    """Probe the encoders the arguments name, and print a table.

    Raises:
        ConfigError: If an argument or the data set does not fit.
    """
    options = _parse(argv)
    named = dict(entry.partition("=")[::2] for entry in options.encoder)
    for name, folder in named.items():
        if not name or not (Path(folder) / "config.json").is_file():
            raise ConfigError(f"--encoder={name}={folder}: expected NAME=CHECKPOINT, a folder")
    config = ProbeConfig(
        steps=options.steps,
        batch_size=options.batch_size,
        held_out=options.held_out,
        seed=options.seed,
    )
    results = {}
    first = next(iter(named.values()))
    for name, folder in [*named.items(), (RANDOM, first)]:
        policy, preprocessor = load_encoder(folder, fresh=name == RANDOM, seed=config.seed)
        data = open_futures(options.repo_id, options.root, policy.config)
        encoded = encode(policy, preprocessor, data, name)
        scale = torch.as_tensor(np.array(statistic(data, "std")), dtype=torch.float32)
        results[name] = probe(encoded, scale, policy.config, config)
        linear = regress(encoded, scale, config)
        results[name] |= {f"linear_{key}": value for key, value in linear.items()}
    apart = held_out(encoded, config)
    now = encoded.states[apart, :1].expand_as(encoded.states[apart])
    stays = errors(now, encoded, apart, scale)
    _show({**results, "stays": stays})
    if options.json:
        report = {"probe": asdict(config), "encoders": results, "stays": stays}
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _parse(argv: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="robot-policies train act_jepa --stage=probe")
    parser.add_argument("--dataset.root", dest="root", required=True)
    parser.add_argument("--dataset.repo_id", dest="repo_id", default="local/probe")
    parser.add_argument("--encoder", action="append", required=True, metavar="NAME=CHECKPOINT")
    parser.add_argument("--steps", type=int, default=ProbeConfig.steps)
    parser.add_argument("--batch_size", type=int, default=ProbeConfig.batch_size)
    parser.add_argument("--held_out", type=float, default=ProbeConfig.held_out)
    parser.add_argument("--seed", type=int, default=ProbeConfig.seed)
    parser.add_argument("--json", metavar="PATH")
    return parser.parse_args(list(argv))


def _show(results: dict[str, dict[str, float]]) -> None:
    keys = ("rmse", "ate", "linear_rmse", "linear_ate")
    table = Table("encoder", *keys, "rmse / random", title="future state, held out")
    for name, found in results.items():
        share = found["rmse"] / results[RANDOM]["rmse"]
        cells = (f"{found[key]:.4f}" if key in found else "" for key in keys)
        table.add_row(name, *cells, f"{share:.2f}")
    Console().print(table)
