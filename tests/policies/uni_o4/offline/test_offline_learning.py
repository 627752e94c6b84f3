"""The phases of Uni-O4 on a task whose answers are known."""

import multiprocessing
import signal
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from toy_task import SMALL, SPACE, Linear, logs, true_return, value

from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.learning.networks import mlp
from robot_policies.learning.run_state import read_state, write_state
from robot_policies.policies.uni_o4.losses import gaussian_kl, gaussian_log_prob
from robot_policies.policies.uni_o4.offline.behavior import member_loss
from robot_policies.policies.uni_o4.offline.evaluation import Expansion, ModelRollouts, is_better
from robot_policies.policies.uni_o4.offline.improvement import Improver, choose, peek
from robot_policies.policies.uni_o4.offline.run import prepare
from robot_policies.policies.uni_o4.offline.settings import METHODS, OfflineSettings
from robot_policies.policies.uni_o4.offline.train import (
    RESULT,
    STATE_FILE,
    TrainingDiverged,
    run_offline,
)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def make(data, settings=SMALL, seed=0, actor=lambda: Linear(0.3, 0.4)):
    return prepare(data, SPACE, actor, value, settings, seed)


def gradient(loss, module):
    module.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])


@pytest.fixture(scope="module")
def data():
    return logs()


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A whole run of the method."""
    torch.set_num_threads(1)
    run = make(data)
    said = run_offline(run, tmp_path_factory.mktemp("run"))
    return run, said


class TanhActor(torch.nn.Module):
    """Upstream's policy: mean in (-1, 1), noise that depends on the state (`net.py`)."""

    def __init__(self, width, action_width, hidden):
        super().__init__()
        self.net = mlp(width, hidden, 2 * action_width)
        for layer in self.net:
            if isinstance(layer, torch.nn.Linear):
                torch.nn.init.orthogonal_(layer.weight)
                torch.nn.init.zeros_(layer.bias)

    def forward(self, observation):
        mean, spread = torch.tanh(self.net(observation)).chunk(2, -1)
        low, high = -5.0, 0.0  # of the log standard deviation
        return mean, low + 0.5 * (high - low) * (spread + 1.0)


@torch.no_grad()
def pairwise_divergence(policies, observation):
    """Return the mean KL divergence over all ordered pairs of members. Scalar. [nat]."""
    answers = [policy(observation) for policy in policies]
    pairs = [gaussian_kl(*one, *other).mean() for one, other in permutations(answers, 2)]
    return torch.stack(pairs).mean()


def actors(count=4, seed=0):
    torch.manual_seed(seed)
    return torch.nn.ModuleList(TanhActor(1, 1, (16,)) for _ in range(count))


def imitation(policies, diversity, weight=0.1):
    torch.manual_seed(1)
    observation = torch.linspace(-1, 1, 64).unsqueeze(1)
    action = 0.5 * torch.sign(torch.randn(64, 1))  # two ways to answer every state
    return observation, member_loss(
        0, policies, observation, action, diversity=diversity, weight=weight, cap=5.0
    )


def test_the_divergence_pulls_away_from_the_others_and_upstreams_does_not():
    grads = {}
    for diversity in ("none", "kl", "upstream"):
        policies = actors()
        before = gradient(imitation(policies, diversity)[1], policies[0])
        assert all(p.grad is None for p in policies[1].parameters())
        for parameter in policies[1:].parameters():
            parameter.data.mul_(1.5)
        after = gradient(imitation(policies, diversity)[1], policies[0])
        grads[diversity] = before, after
    assert torch.equal(*grads["none"])
    assert torch.equal(*grads["upstream"])
    assert not torch.allclose(*grads["kl"], rtol=1e-3)
    torch.testing.assert_close(grads["upstream"][0], 1.1 * grads["none"][0])


def test_members_stay_further_apart_with_the_divergence():
    spread = []
    for weight in (0.0, 0.1, 0.5):
        policies = actors()
        optimizer = torch.optim.Adam(policies.parameters(), lr=1e-3)
        observation = torch.linspace(-1, 1, 128).unsqueeze(1)
        torch.manual_seed(2)
        for _ in range(100):
            action = 0.5 * torch.sign(torch.randn(128, 1))
            losses = [
                member_loss(
                    i, policies, observation, action, diversity="kl", weight=weight, cap=5.0
                )
                for i in range(4)
            ]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
        spread.append(float(pairwise_divergence(policies, observation)))
    assert spread[0] < 0.95 * spread[1] < 0.8 * spread[2]


def test_a_time_out_is_carried_over_and_a_terminal_is_not(data):
    run = make(data)
    critics, settings = run.networks.critics, run.settings
    state = torch.zeros(2, 1)
    batch = {
        "observation": state,
        "action": state,
        "reward": torch.zeros(2),
        "next_observation": state + 1.0,
        "returns": torch.zeros(2),
    }
    both = critics.twin(state, state)
    for terminal in (0.0, 1.0):
        _, loss = critics.losses({**batch, "terminal": torch.full((2,), terminal)})
        target = (1.0 - terminal) * settings.gamma * critics.v(state + 1.0)
        expected = (both - target).square().mean(1).sum()
        torch.testing.assert_close(loss, expected.detach(), check_stride=False)


def test_value_agrees_with_returns(data, finished):
    run, _ = finished
    with torch.no_grad():
        v = run.networks.critics.v(torch.from_numpy(data.observation)).numpy()
    complete = data.returns(run.settings.gamma, beyond=v)
    assert np.corrcoef(v, complete)[0, 1] > 0.4


def test_value_can_be_fitted_to_returns(data):
    settings = replace(SMALL, method="iql", value_target="monte_carlo")
    run = make(data, settings)
    run.begin(1)
    for _ in range(300):
        run.stage.step()
        run.stage.done += 1
    with torch.no_grad():
        v = run.networks.critics.v(torch.from_numpy(data.observation)).numpy()
    assert np.corrcoef(v, data.returns(0.9, beyond=v))[0, 1] > 0.4


def test_returns_stop_at_terminals_and_at_holes():
    rows = logs(episodes=1, length=5).take(np.arange(5))
    rows = replace(
        rows,
        reward=np.ones(5, np.float32),
        terminal=np.array([False, True, False, False, False]),
        last=np.array([False, True, False, True, True]),
    )
    beyond = np.array([9.0, 9.0, 9.0, 4.0, 2.0])
    assert rows.returns(0.5, beyond).tolist() == [1.5, 1.0, 2.5, 3.0, 2.0]


def test_the_first_step_is_the_advantage_weighted_score(finished):
    """Ratio 1: the clipped surrogate's gradient is the mean of A grad log pi."""
    run, _ = finished
    networks = run.networks
    policies = torch.nn.ModuleList([Linear(0.3, 0.4)])
    improver = Improver(policies, networks.critics, SPACE, None, SMALL)
    observation = networks.data["observation"][:64]
    torch.manual_seed(3)
    clipped = gradient(improver.member_loss(0, observation, 0.25), policies[0])
    torch.manual_seed(3)
    mean, log_std = (part.detach() for part in policies[0](observation))
    action = mean + log_std.exp() * torch.randn_like(mean)
    with torch.no_grad():
        advantage = networks.critics.smaller(observation, action.clamp(-1, 1))
        advantage = advantage - networks.critics.v(observation)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    log_prob = gaussian_log_prob(*policies[0](observation), action)
    score = gradient(-(advantage * log_prob).mean(), policies[0])
    torch.testing.assert_close(clipped, score, rtol=1e-4, atol=1e-6)


def test_improves_towards_the_best_gain_without_the_task(finished):
    run, said = finished
    logged, improved = Linear(0.3), run.policy
    assert true_return(improved) > true_return(logged) + 0.1
    assert float(improved.gain.detach()) > 0.5  # the best gain is about 1.4
    assert any(any(check["accepted"]) for check in said["checks"])
    assert said["chosen"] == int(np.argmax(said["scores"]))


def test_a_model_step_in_q_is_its_reward_and_v_beyond(finished):
    run, _ = finished
    networks = run.networks
    expansion = Expansion(networks.model, networks.critics, replace(SMALL, expansion=1))
    state, action = torch.tensor([[0.5], [1.9]]), torch.tensor([[0.2], [0.1]])
    following, reward, doubt = networks.model.mean_step(state, action)
    q = expansion.q(Linear(0.3), state, action)
    certain = reward - SMALL.caution * doubt
    with torch.no_grad():
        torch.testing.assert_close(q, certain + 0.9 * networks.critics.v(following))
    following = torch.full_like(following, 2.5)  # beyond 2 the episode is over
    networks.model.mean_step = lambda *_: (following, reward, doubt)
    try:
        torch.testing.assert_close(expansion.q(Linear(0.3), state, action), certain)
    finally:
        del networks.model.mean_step


def test_elites_that_disagree_about_a_reward_make_it_worth_less(finished):
    run, _ = finished
    model, critics = run.networks.model, run.networks.critics
    state, action = torch.tensor([[0.5]]), torch.tensor([[0.2]])
    assert len(model.elites) == 2
    means, _ = model(state, action, model.elites)
    apart = (means[0, :, -1] - means[1, :, -1]).abs() * model.outputs.std[-1]
    _, _, doubt = model.mean_step(state, action)
    torch.testing.assert_close(doubt, 0.5 * apart)
    bold, careful = (
        Expansion(model, critics, replace(SMALL, expansion=1, caution=caution))
        for caution in (0.0, 2.0)
    )
    policy = Linear(0.3)
    lost = bold.q(policy, state, action) - careful.q(policy, state, action)
    torch.testing.assert_close(lost, SMALL.reward_scale * apart)


def test_improves_with_q_from_the_model(finished):
    run, _ = finished
    networks, settings = run.networks, replace(SMALL, expansion=3)
    policies = torch.nn.ModuleList([Linear(0.3, 0.4)])
    expansion = Expansion(networks.model, networks.critics, settings)
    improver = Improver(policies, networks.critics, SPACE, None, settings, expansion)
    torch.manual_seed(0)
    for step in range(30):
        improver.step(networks.batch()["observation"], step)
    assert float(policies[0].gain.detach()) > 0.4


@pytest.mark.parametrize("method", [name for name in METHODS if name != "uni_o4"])
def test_baselines_learn_from_the_same_data(method, data, tmp_path):
    settings = replace(SMALL, method=method, baseline_steps=150)
    run = make(data, settings)
    run_offline(run, tmp_path)
    assert len(run.stage.policies) == 1
    floor = true_return(Linear(0.3)) + (-0.05 if method == "bc" else 0.02)
    assert true_return(run.policy) > floor


def test_scores_rank_policies_as_the_task_does(finished):
    run, _ = finished
    networks = run.networks
    evaluator = ModelRollouts(networks.model, networks.critics, dict(networks.data), SMALL)
    torch.manual_seed(0)
    chance = evaluator.draw(256)
    gains = np.linspace(-0.6, 1.2, 12)
    scores = [float(evaluator.score(Linear(gain), chance).mean()) for gain in gains]
    truth = [true_return(Linear(gain)) for gain in gains]
    assert spearmanr(scores, truth).statistic > 0.8


def test_the_acceptance_test_refuses_an_over_trained_policy(finished):
    run, _ = finished
    networks = run.networks
    evaluator = ModelRollouts(networks.model, networks.critics, dict(networks.data), SMALL)
    policies = torch.nn.ModuleList([Linear(0.9)])
    improver = Improver(policies, networks.critics, SPACE, evaluator, SMALL)
    with torch.no_grad():  # what thousands of steps without a clip end in: as far as it goes
        policies[0].gain.fill_(12.0)
    check = improver.check(1)
    assert check.accepted == (False,)
    assert float(improver.behavior[0].gain) == pytest.approx(0.9)
    untested = Improver(
        policies, networks.critics, SPACE, evaluator, replace(SMALL, acceptance="off")
    )
    assert untested.check(1).accepted == (True,)


def test_a_margin_is_asked_for():
    gain = torch.tensor([1.0, -1.0, 1.0, -0.6])
    assert not is_better(gain, torch.zeros(4), margin=1.0)[0]
    assert is_better(gain, torch.zeros(4), margin=0.0)[0]
    assert not is_better(torch.zeros(4), torch.zeros(4), margin=0.0)[0]


def test_choosing_by_score_does_not_look_at_the_task(finished):
    run, _ = finished
    networks = run.networks
    evaluator = ModelRollouts(networks.model, networks.critics, dict(networks.data), SMALL)
    candidates = [Linear(-0.5), Linear(0.9), Linear(0.2)]
    assert choose(candidates, evaluator, 128)[0] == 1
    assert peek(candidates, lambda policy: -float(policy.gain.detach()))[0] == 0


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [3, 9, 13, 20])  # one in each phase
def test_a_killed_run_continues_bit_for_bit(data, tmp_path, monkeypatch, after):
    settings = replace(
        SMALL,
        behavior_steps=5,
        critic_steps=6,
        model_epochs=2,
        improvement_steps=12,
        acceptance_every=4,
    )
    whole = make(data, settings)
    run_offline(whole, tmp_path / "whole")
    killed, steps = make(data, settings), 0

    def on_save(run):
        nonlocal steps
        steps += 1
        if steps == after:
            raise Killed

    with pytest.raises(Killed):
        run_offline(killed, tmp_path / "killed", save_every=0.0, on_save=on_save)
    continued = make(data, settings)
    run_offline(continued, tmp_path / "killed", resume=True)
    for one, other in zip(whole.policy.parameters(), continued.policy.parameters(), strict=True):
        assert torch.equal(one, other)
    for key in ("scores", "chosen", "checks"):
        assert whole.result[key] == continued.result[key]


def test_a_run_survives_kill_9(data, tmp_path):
    """A process that is ended without warning, wherever it was, loses no more than a moment."""
    settings = replace(SMALL, behavior_steps=20, critic_steps=400, improvement_steps=20)
    whole = make(data, settings)
    run_offline(whole, tmp_path / "whole")
    killed = tmp_path / "killed"
    fork = multiprocessing.get_context("fork")
    process = fork.Process(
        target=lambda: run_offline(make(data, settings), killed, save_every=0.0)
    )
    process.start()
    while not (killed / STATE_FILE).exists():
        assert process.is_alive()
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (killed / RESULT).exists()
    continued = make(data, settings)
    run_offline(continued, killed, resume=True)
    for one, other in zip(whole.policy.parameters(), continued.policy.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_state_is_never_continued_with_other_data(data, tmp_path):
    settings = replace(SMALL, method="bc", behavior_steps=3)
    run_offline(make(data, settings), tmp_path)
    with pytest.raises(CheckpointError, match="already holds"):
        run_offline(make(data, settings), tmp_path)
    other = replace(data, reward=data.reward + 1e-3)
    with pytest.raises(CheckpointError, match="begun with data"):
        run_offline(make(other, settings), tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="begun with seed 0, not 1"):
        run_offline(make(data, settings, seed=1), tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="another behavior_rate"):
        run_offline(make(data, replace(settings, behavior_rate=1.0)), tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="nothing to resume"):
        run_offline(make(data, settings), tmp_path / "empty", resume=True)
    tensors, texts = read_state(tmp_path / STATE_FILE)
    for progress in (
        "[" * 100_000,
        '{"index": 99, "done": 0, "finished": true}',
        '{"index": 0, "done": "all", "finished": true}',
        '{"index": 0, "done": 0}',
    ):
        write_state(tmp_path / STATE_FILE, tensors, {**texts, "progress": progress})
        with pytest.raises(CheckpointError, match="cannot resume"):
            run_offline(make(data, settings), tmp_path, resume=True)
    (tmp_path / STATE_FILE).write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="cannot resume"):
        run_offline(make(data, settings), tmp_path, resume=True)


def test_a_run_that_diverges_says_so_and_keeps_its_last_state(data, tmp_path):
    settings = replace(SMALL, behavior_steps=2, critic_rate=1e6, method="iql")
    with pytest.raises(TrainingDiverged, match="critics diverged at step"):
        run_offline(make(data, settings), tmp_path)
    assert (tmp_path / STATE_FILE).exists()
    assert not (tmp_path / RESULT).exists()


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="expectile"):
        OfflineSettings(expectile=1.0)
    with pytest.raises(ConfigError, match="model_elites 6 of 5"):
        OfflineSettings(model_elites=6)
