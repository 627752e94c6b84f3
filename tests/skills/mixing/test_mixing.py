"""Composition in parameter space against W(s), written out."""

import pytest
import torch
from torch import nn

from robot_policies.interface import ConfigError, ContractError
from robot_policies.skills.mixing.arrow import ArrowRouter
from robot_policies.skills.mixing.interference import compare, interference
from robot_policies.skills.mixing.layers import LowRank, SkillStack, linear_layers
from robot_policies.skills.mixing.mixer import SkillMixer
from robot_policies.skills.mixing.skill_router import SkillRouter

WIDTH = 5


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(WIDTH, 7)
        self.last = nn.Linear(7, 3)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


@pytest.fixture
def net():
    return Net().eval()


@pytest.fixture
def mixed(net, adapter):
    """A net with skills in place."""

    def make(count=3, ranks=(2, 3, 4)):
        mixer = SkillMixer(net)
        skills = {
            f"s{i}": adapter(net, seed=i, rank=ranks[i], scale=0.5 + i) for i in range(count)
        }
        mixer.swap(SkillStack(net, skills))
        return mixer, skills

    return make


def written_out(net, skills, weights, x):
    """Compute one observation with explicit weight matrices."""
    parts = list(skills.values())

    def weight(layer):
        base = getattr(net, layer).weight
        return base + sum(
            w * part[layer].scale * part[layer].up @ part[layer].down
            for w, part in zip(weights, parts, strict=True)
        )

    hidden = torch.tanh(weight("first") @ x + net.first.bias)
    return weight("last") @ hidden + net.last.bias


def test_every_observation_has_its_own_weight_matrix(net, mixed):
    mixer, skills = mixed()
    x, weights = torch.randn(6, WIDTH), torch.randn(6, 3)
    mixer.weigh(weights)
    expected = torch.stack(
        [written_out(net, skills, w, row) for w, row in zip(weights, x, strict=True)]
    )
    torch.testing.assert_close(net(x), expected, atol=1e-5, rtol=0)


def test_fixed_weights_hold_for_all_and_one_hot_is_a_single_skill(net, mixed):
    mixer, skills = mixed()
    x = torch.randn(6, WIDTH)
    mixer.weigh(torch.tensor([0.0, 1.0, 0.0]))
    alone = SkillMixer(net)
    together = net(x)
    mixer.clear()
    alone.swap(SkillStack(net, {"s1": skills["s1"]}), torch.ones(1))
    assert torch.equal(net(x), together)


@pytest.mark.parametrize("weights", [None, torch.zeros(3), torch.zeros(4, 3)])
def test_no_weight_is_the_untouched_base_bit_for_bit(net, mixed, weights):
    x = torch.randn(4, WIDTH)
    before, state = net(x), {k: v.clone() for k, v in net.state_dict().items()}
    mixer, _ = mixed()
    mixer.weigh(weights)
    assert torch.equal(net(x), before)
    mixer.weigh(torch.ones(3))
    assert not torch.equal(net(x), before)
    mixer.clear()
    assert torch.equal(net(x), before)
    assert net.state_dict().keys() == state.keys()
    assert all(torch.equal(net.state_dict()[key], state[key]) for key in state)


def test_skills_come_and_go_in_any_order_and_leave_nothing(net, adapter):
    x = torch.randn(4, WIDTH)
    mixer = SkillMixer(net)
    skills = {f"s{i}": adapter(net, seed=i) for i in range(4)}
    seen = {}
    for names in (["s0"], ["s0", "s1"], ["s2", "s0", "s3"], ["s0"], [], ["s0", "s1"]):
        chosen = {name: skills[name] for name in names}
        mixer.swap(SkillStack(net, chosen), torch.ones(len(names)) if names else None)
        result = net(x)
        assert torch.equal(result, seen.setdefault(tuple(names), result))
    mixer.clear()
    assert not any("forward" in vars(module) for module in net.modules())


def test_a_second_mixer_does_not_write_over_the_first(net, mixed, adapter):
    mixer, _ = mixed()
    mixer.weigh(torch.ones(3))
    with pytest.raises(ContractError, match="another mixer"):
        SkillMixer(net).swap(SkillStack(net, {"other": adapter(net)}))


def test_a_skill_of_weight_zero_leaves_not_even_rounding(net, adapter):
    x, mixer = torch.randn(64, WIDTH), SkillMixer(net)
    skills = {f"s{i}": adapter(net, seed=i) for i in range(3)}
    two = {name: skills[name] for name in ("s0", "s1")}
    mixer.swap(SkillStack(net, two), torch.tensor([0.3, -1.2]))
    before = net(x)
    mixer.swap(SkillStack(net, skills), torch.tensor([0.3, -1.2, 0.0]))
    assert torch.equal(net(x), before)


def test_skills_may_add_to_some_layers_only_and_to_sequences(net, adapter):
    skills = {
        "low": adapter(net, 0, layers=["first"]),
        "high": adapter(net, 1, layers=["last"]),
    }
    mixer = SkillMixer(net)
    weights = torch.randn(4, 2)
    x = torch.randn(4, 6, WIDTH)
    mixer.swap(SkillStack(net, skills), weights)
    sequences = net(x)
    for row in range(4):
        mixer.weigh(weights[row])
        torch.testing.assert_close(net(x[row]), sequences[row], atol=1e-5, rtol=0)
    mixer.weigh(weights)
    with pytest.raises(ContractError, match="first axis must be the batch"):
        net(x.transpose(0, 1))


def test_gradients_reach_the_router_alone(net, mixed):
    mixer, _ = mixed()
    net.requires_grad_(False)
    router = SkillRouter(
        {"s": WIDTH}, 3, hidden=8
    )  # weights 0: the gradient must flow nevertheless
    x = torch.randn(4, WIDTH)
    mixer.weigh(router(x))
    net(x).square().sum().backward()
    assert router.output.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(parameter.grad is None for parameter in mixer.stack.parameters())


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (torch.ones(2), "3 skills"),
        (torch.tensor([0.0, float("nan"), 0.0]), "not finite"),
        (torch.ones(1, 1, 3), "3 skills"),
        (torch.tensor(1.0), "3 skills"),
    ],
)
def test_wrong_weights_are_refused_and_the_running_ones_stay(net, mixed, weights, said):
    mixer, _ = mixed()
    x = torch.randn(2, WIDTH)
    mixer.weigh(torch.ones(3))
    before = net(x)
    with pytest.raises(ContractError, match=said):
        mixer.weigh(weights)
    assert torch.equal(net(x), before)


def test_a_refused_swap_leaves_what_was_there(net, mixed, adapter):
    mixer, _ = mixed()
    x = torch.randn(2, WIDTH)
    mixer.weigh(torch.ones(3))
    before = net(x)
    with pytest.raises(ContractError, match="1 skills"):
        mixer.swap(SkillStack(net, {"other": adapter(net)}), torch.ones(2))
    assert mixer.names == ("s0", "s1", "s2")
    assert torch.equal(net(x), before)


def test_a_layer_that_is_not_there_or_of_another_size_is_refused(net):
    part = LowRank(torch.zeros(2, WIDTH), torch.zeros(7, 2), 1.0)
    with pytest.raises(ConfigError, match="Did you mean 'first'"):
        SkillStack(net, {"s": {"frst": part}})
    with pytest.raises(ConfigError, match="the base needs"):
        SkillStack(net, {"s": {"last": part}})


def test_attention_that_bypasses_its_projection_offers_none():
    attention = nn.MultiheadAttention(8, 2)
    assert linear_layers(attention) == {}
    assert set(linear_layers(nn.TransformerEncoderLayer(8, 2, 8))) == {"linear1", "linear2"}


def test_fused_transformer_layers_of_torch_do_not_lose_skills(adapter):
    layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True).eval()
    x = torch.randn(2, 3, 8)
    with torch.inference_mode():
        before = layer(x)
        mixer = SkillMixer(layer)
        mixer.swap(SkillStack(layer, {"s": adapter(layer)}), torch.ones(1))
        assert not torch.allclose(layer(x), before)
        mixer.clear()
        assert torch.equal(layer(x), before)


def test_a_router_padded_for_a_new_skill_weighs_the_old_ones_as_before():
    router = SkillRouter({"s": WIDTH}, 2, hidden=16)
    nn.init.normal_(router.output.weight)
    router.start_at([0.5, -2.0])
    x = torch.randn(9, WIDTH)
    padded = router.with_skill()
    torch.testing.assert_close(padded(x)[:, :2], router(x))
    assert (padded(x)[:, 2] == 0.0).all()
    torch.testing.assert_close(padded.without_skill(0)(x)[:, 0], router(x)[:, 1])
    assert torch.equal(padded.without_skill(2)(x), router(x))


def test_a_router_says_which_feature_it_misses():
    with pytest.raises(ContractError, match="'goal'"):
        SkillRouter({"state": 2, "goal": 2}, 1).read({"state": torch.zeros(1, 2)})


def test_arrow_prefers_the_skill_that_reads_what_is_there(net):
    down = torch.eye(WIDTH)
    skills = {
        "x": {"first": LowRank(down[:1], torch.ones(7, 1), 1.0)},
        "y": {"first": LowRank(down[1:2], torch.ones(7, 1), 1.0)},
        "z": {"last": LowRank(torch.ones(1, 7), torch.ones(3, 1), 1.0)},
    }
    stack = SkillStack(net, skills)
    router = ArrowRouter(stack, top=2, temperature=0.1)
    weights = router.weights("first", torch.stack([3 * down[0], -3 * down[1], down[2]]))
    torch.testing.assert_close(
        weights, torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])
    )
    one = ArrowRouter(stack, top=1).weights("first", torch.randn(4, 6, WIDTH))
    assert one.shape == (4, 6, 3)
    assert torch.equal(one.sum(-1), torch.ones(4, 6))


def test_arrow_agrees_with_the_dense_singular_vector(net, adapter):
    skill = adapter(net, seed=3)
    mixer = SkillMixer(net)
    stack = SkillStack(net, {"s": skill, "t": adapter(net, seed=4)})
    part = skill["first"]
    top = torch.linalg.svd(part.up @ part.down).Vh[0]
    weights = ArrowRouter(stack, temperature=1e-4).weights("first", top)
    assert weights[0] == pytest.approx(1.0)
    before = net(torch.ones(1, WIDTH))
    mixer.swap(stack, layer_router=ArrowRouter(stack))
    assert not torch.equal(net(torch.ones(1, WIDTH)), before)


def test_arrow_needs_something_to_choose_from(net):
    with pytest.raises(ConfigError, match="0 skills"):
        ArrowRouter(SkillStack(net, {}))


def test_interference_finds_duplicates_and_strangers(net, adapter):
    first = adapter(net, 0)
    same = {k: LowRank(p.down * 2, p.up, p.scale) for k, p in first.items()}
    assert compare(first, same) == pytest.approx((1.0, 1.0, 1.0))
    eye = torch.eye(7)
    a = {"last": LowRank(eye[:1], torch.eye(3)[:, :1], 1.0)}
    b = {"last": LowRank(eye[1:2], torch.eye(3)[:, 1:2], 1.0)}
    assert compare(a, b) == pytest.approx((0.0, 0.0, 0.0))
    mixer = SkillMixer(net)
    mixer.swap(SkillStack(net, {"a": a, "b": b, "c": a}), torch.tensor([0.1, 0.2, 0.3]))
    x = torch.randn(5, WIDTH)
    before = net(x)
    pairs = {(p.first, p.second): p for p in interference(mixer, lambda: net(x))}
    assert pairs["a", "c"].duplicate
    assert not pairs["a", "b"].duplicate
    assert pairs["a", "b"].cross_term < 1e-5  # a last layer is linear: skills add up
    assert torch.equal(net(x), before)
