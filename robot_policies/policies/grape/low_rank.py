"""Low-rank additions to the linear layers of a network: made by peft, trained, and merged."""

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

TARGETS = r".*(q_proj|k_proj|v_proj|o_proj|out_proj|gate_proj|up_proj|down_proj|fc1|fc2|lm_head)"


def add_low_rank(model: nn.Module, rank: int, scale: float) -> list[nn.Parameter]:
    """Add low-rank parts to the linear layers and return their parameters; the rest is frozen."""
    model.requires_grad_(False)
    lora = LoraConfig(
        r=rank,
        lora_alpha=round(scale * rank),
        lora_dropout=0.0,
        init_lora_weights="gaussian",
        target_modules=TARGETS,
    )
    inject_adapter_in_model(lora, model)
    return [weight for name, weight in model.named_parameters() if "lora_" in name]


def turn_low_rank(model: nn.Module) -> None:
    """Turn the sign of what the low-rank parts add; a second time turns it back."""
    for module in model.modules():
        if isinstance(module, LoraLayer):
            for name in module.scaling:
                module.scaling[name] *= -1.0


def merge_low_rank(model: nn.Module) -> None:
    """Add the low-rank parts to the weights, and take them away."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())
    model.requires_grad_(True)
