"""What can be said of an offline run on episodes it has not seen, where no true score exists."""

from typing import Any

import numpy as np
import torch

from robot_policies.policies.uni_o4.data.transitions import Transitions
from robot_policies.policies.uni_o4.losses import gaussian_log_prob
from robot_policies.policies.uni_o4.offline.run import OfflineRun

LONG = 20  # steps of the longer prediction
STARTS = 500  # of predictions


@torch.no_grad()
def held_out_report(run: OfflineRun, held: Transitions) -> dict[str, Any]:
    """Measure likelihood, value and model on held-out episodes.

    Returns:
        `log_likelihood` of the logged actions under the policy handed on; `value_correlation` of V
        with the discounted return; `model_error` after 1 and 20 steps of the logged actions, as
        the root mean square over the predicted quantities in units of their one-step change;
        `standing_still`, the same error of a prediction that nothing changes.
    """
    networks, data = run.networks, held.tensors()
    settings, space, model = run.settings, networks.space, networks.model
    mean, log_std = run.policy(data["observation"])
    v = networks.critics.v(data["observation"]).numpy()
    beyond = networks.critics.v(data["next_observation"]).numpy() / settings.reward_scale
    returns = held.returns(settings.gamma, beyond)
    report: dict[str, Any] = {
        "rows": len(held),
        "log_likelihood": float(gaussian_log_prob(mean, log_std, data["action"]).mean()),
        "value_correlation": float(np.corrcoef(v, returns)[0, 1]),
    }
    if run.settings.method != "uni_o4":
        return report
    last = np.flatnonzero(held.last)
    room = last[np.searchsorted(last, np.arange(len(held)))] - np.arange(len(held))
    starts = np.flatnonzero(room >= LONG - 1)
    if not len(starts):
        return report
    starts = torch.from_numpy(starts[:: max(1, len(starts) // STARTS)])
    observation = first = data["observation"][starts]
    unit = model.outputs.std[:-1]
    for k in range(LONG):
        action = data["action"][starts + k]
        ensemble, _ = model(observation, action)
        change = ensemble[model.elites].mean(0) * model.outputs.std + model.outputs.mean
        observation = space.advance(observation, action, change[:, :-1])
        if k + 1 in (1, LONG):
            truth = data["next_observation"][starts + k]
            wrong = space.change(observation, truth) / unit
            still = space.change(first, truth) / unit
            report[f"model_error_{k + 1}"] = float(wrong.square().mean().sqrt())
            report[f"standing_still_{k + 1}"] = float(still.square().mean().sqrt())
    return report
