"""LoRAs on the real demo model: equal to diffusers' own, of every form, gone to the bit, and a word becomes a shape."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from garret import demo_model
from garret.service_runtime.batch import UsedLora
from garret.service_runtime.engine.lora_file import read_lora
from garret.service_runtime.engine.lora_keys import ROLES
from garret.service_runtime.engine.loras import Loras, changeable, identity_of, layers_of
from garret.service_runtime.engine.modules import build_text_encoder, build_unet
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.errors import ModelError
from garret.service_runtime.sdxl_files import configuration_files

LAYER = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
CONVOLUTION = "down_blocks.1.resnets.0.conv1"
WORDS = "text_model.encoder.layers.0.mlp.fc1"
Tensors = dict[str, torch.Tensor]


@dataclass
class Demo:
    """The demo model's parts, what is on them, and every weight before."""

    parts: Parts
    loras: Loras
    untouched: Tensors

    def changed(self) -> set[str]:
        """Return the names of weights that are not what they were, to the bit."""
        return {name for name, value in weights_of(self.parts).items() if not torch.equal(value, self.untouched[name])}

    def weight(self, name: str) -> torch.Tensor:
        """Return one weight of the UNet as it is now."""
        return weights_of(self.parts)[f"unet.{name}.weight"]


@pytest.fixture(scope="module")
def demo() -> Demo:
    """One for all tests, which take off again what they put on."""
    return demo_of(plain())


def demo_of(pipeline: Any) -> Demo:
    """Return a pipeline's parts with nothing on them."""
    parts = parts_of(pipeline)
    return Demo(parts, Loras(parts), {name: value.clone() for name, value in weights_of(parts).items()})


def plain() -> Any:
    """Return a pipeline of the demo model."""
    return StableDiffusionXLPipeline.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), local_files_only=True, torch_dtype=torch.float32
    )


def parts_of(pipeline: Any) -> Parts:
    """Return a pipeline's parts."""
    return Parts(
        str(demo_model.WEIGHTS),
        pipeline.unet,
        pipeline.vae,
        pipeline.text_encoder,
        pipeline.text_encoder_2,
        pipeline.tokenizer,
        pipeline.tokenizer_2,
        dict(pipeline.scheduler.config),
        dict(pipeline.config),
    )


def weights_of(parts: Parts) -> Tensors:
    """Return every weight that pictures depend on before the VAE, by part and name."""
    return {
        f"{part}.{name}": value.detach()
        for part in ("unet", "text_encoder", "text_encoder_2")
        for name, value in getattr(parts, part).named_parameters()
    }


def use(path: Path, weight: float = 1.0, text_weight: float | None = None) -> UsedLora:
    """Return a LoRA to use."""
    return UsedLora(str(path), weight, weight if text_weight is None else text_weight)


@torch.no_grad()
def answer(pipeline: Any) -> Tensors:
    """Return what the text encoders and the UNet make of a prompt and of fixed noise."""
    words, _, pooled, _ = pipeline.encode_prompt("a red heart on a blue background", do_classifier_free_guidance=False)
    noise = torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[128.0, 128, 0, 0, 128, 128]])
    conditions = {"text_embeds": pooled, "time_ids": ids}
    return {"words": words, "noise": pipeline.unet(noise, 500, words, added_cond_kwargs=conditions).sample}


def peft_form(path: Path, target: Path) -> Path:
    """Write a kohya LoRA as diffusers and peft do: other names, and the scale inside the weights."""
    pipeline = plain()
    parts = parts_of(pipeline)
    changes, _ = read_lora(path)
    tensors = {}
    for part in ("unet", "text_encoder", "text_encoder_2"):
        names = [name for name, _ in getattr(parts, part).named_parameters() if name.endswith(".weight")]
        by_layer = {name.removesuffix(".weight").replace(".", "_").removeprefix("text_model_"): name for name in names}
        for change in changes:
            if change.part == part:
                layer = change.layer if change.layer in by_layer else original_layer(change.layer)
                base = f"{part}.{by_layer[layer].removesuffix('.weight')}"
                tensors[f"{base}.lora_A.weight"] = change.tensors["down"].float().contiguous()
                tensors[f"{base}.lora_B.weight"] = (change.tensors["up"].float() * change.scale).contiguous()
    save_file(tensors, target)
    return target


def original_layer(layer: str) -> str:
    """Return diffusers' name for a layer of the demo model's UNet in the original names."""
    for original, name in {
        "input_blocks_3_1": "down_blocks_1_attentions_0",
        "input_blocks_5_1": "down_blocks_2_attentions_0",
        "middle_block_1": "mid_block_attentions_0",
        "output_blocks_0_1": "up_blocks_0_attentions_0",
        "output_blocks_1_1": "up_blocks_0_attentions_1",
        "output_blocks_2_1": "up_blocks_1_attentions_0",
        "output_blocks_3_1": "up_blocks_1_attentions_1",
    }.items():
        if layer.startswith(f"{original}_"):
            return name + layer.removeprefix(original)
    raise KeyError(layer)


@pytest.mark.parametrize("weight", [1.0, -0.5])
def test_the_demo_lora_does_what_diffusers_own_loading_does(weight: float) -> None:
    """Text encoders and UNet give the same answers, whichever applied it."""
    theirs = plain()
    theirs.load_lora_weights(str(demo_model.LORA.parent), weight_name=demo_model.LORA.name, adapter_name="heart")
    theirs.set_adapters(["heart"], adapter_weights=[weight])
    ours = plain()
    assert Loras(parts_of(ours)).use([use(demo_model.LORA, weight)]) == {}
    asked, before = answer(theirs), answer(plain())
    for name, value in answer(ours).items():
        assert (value - before[name]).abs().max() > 0.01, "the LoRA changes something"
        assert torch.allclose(value, asked[name], atol=2e-5)


def test_both_forms_of_a_lora_change_weights_alike(demo: Demo, tmp_path: Path) -> None:
    """kohya's and peft's, which has its scale inside."""
    assert demo.loras.use([use(demo_model.LORA)]) == {}
    kohya = {name: value.clone() for name, value in weights_of(demo.parts).items()}
    demo.loras.use([use(peft_form(demo_model.LORA, tmp_path / "peft.safetensors"))])
    for name, value in weights_of(demo.parts).items():
        assert torch.allclose(value, kohya[name], atol=1e-6)
    assert demo.changed() >= {f"unet.{LAYER}.weight"}
    demo.loras.use([])
    assert demo.changed() == set()


def test_several_add_up_and_each_set_takes_the_place_of_the_last(demo: Demo, tmp_path: Path) -> None:
    """Twice a half is one; a weight for text alone leaves the UNet as it was; nothing is left of what went before."""
    twin = tmp_path / "twin.safetensors"
    twin.write_bytes(demo_model.LORA.read_bytes())
    demo.loras.use([use(demo_model.LORA)])
    whole = {name: value.clone() for name, value in weights_of(demo.parts).items()}
    demo.loras.use([use(demo_model.LORA, 0.5), use(twin, 0.5)])
    assert all(torch.allclose(value, whole[name], atol=1e-6) for name, value in weights_of(demo.parts).items())
    demo.loras.use([use(demo_model.LORA, 0.0, 1.0)])
    parts_changed = {name.partition(".")[0] for name in demo.changed()}
    assert parts_changed == {"text_encoder", "text_encoder_2"}
    demo.loras.use([])
    assert demo.changed() == set()


def random(*shape: int) -> torch.Tensor:
    """Return a small tensor of random numbers."""
    return torch.randn(shape) * 0.1


def kohya_convolution(tensors: Tensors, shape: torch.Size) -> torch.Tensor:
    """LoCon on a convolution of 3x3: down has its kernel, up is 1x1."""
    down, up = random(4, shape[1], 3, 3), random(shape[0], 4, 1, 1)
    base = f"lora_unet_{CONVOLUTION.replace('.', '_')}"
    tensors |= {f"{base}.lora_down.weight": down, f"{base}.lora_up.weight": up, f"{base}.alpha": torch.tensor(2.0)}
    return 0.5 * torch.einsum("or,rchw->ochw", up[:, :, 0, 0], down)


def middle_convolution(tensors: Tensors, shape: torch.Size) -> torch.Tensor:
    """LoCon with the kernel in the middle: the three convolutions one after another."""
    down, middle, up = random(4, shape[1], 1, 1), random(4, 4, 3, 3), random(shape[0], 4, 1, 1)
    base = f"lora_unet_{CONVOLUTION.replace('.', '_')}"
    tensors |= {f"{base}.lora_{name}.weight": value for name, value in (("down", down), ("mid", middle), ("up", up))}
    return torch.einsum("oi,ijhw,jc->ochw", up[:, :, 0, 0], middle, down[:, :, 0, 0])


def loha(tensors: Tensors, shape: torch.Size) -> torch.Tensor:
    """LoHa on a matrix."""
    pieces = [random(shape[0], 2), random(2, shape[1]), random(shape[0], 2), random(2, shape[1])]
    base = f"lora_unet_{LAYER.replace('.', '_')}"
    names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    tensors |= {f"{base}.{name}": value for name, value in zip(names, pieces, strict=True)}
    tensors[f"{base}.alpha"] = torch.tensor(1.0)
    return 0.5 * (pieces[0] @ pieces[1]) * (pieces[2] @ pieces[3])


def lokr(tensors: Tensors, shape: torch.Size) -> torch.Tensor:
    """LoKr on a matrix, one side of it whole and one of low rank."""
    first, second = random(2, 2), (random(shape[0] // 2, 3), random(3, shape[1] // 2))
    base = f"lora_unet_{LAYER.replace('.', '_')}"
    tensors |= {f"{base}.lokr_w1": first, f"{base}.lokr_w2_a": second[0], f"{base}.lokr_w2_b": second[1]}
    tensors[f"{base}.alpha"] = torch.tensor(6.0)
    rows = [torch.cat([first[i, j] * (second[0] @ second[1]) for j in range(2)], dim=1) for i in range(2)]
    return 2.0 * torch.cat(rows)


def old_diffusers(tensors: Tensors, shape: torch.Size) -> torch.Tensor:
    """The names of diffusers before peft."""
    down, up = random(4, shape[1]), random(shape[0], 4)
    base = f"unet.{LAYER.removesuffix('.to_k')}.processor.to_k_lora"
    tensors |= {f"{base}.down.weight": down, f"{base}.up.weight": up}
    return up @ down


def difference(tensors: Tensors, shape: torch.Size) -> torch.Tensor:
    """A whole difference, as LyCORIS' full training writes it."""
    tensors[f"lora_unet_{LAYER.replace('.', '_')}.diff"] = whole = random(*shape)
    return whole


@pytest.mark.parametrize(
    ("write", "layer"),
    [
        (kohya_convolution, CONVOLUTION),
        (middle_convolution, CONVOLUTION),
        (loha, LAYER),
        (lokr, LAYER),
        (old_diffusers, LAYER),
        (difference, LAYER),
    ],
)
def test_each_kind_of_change_is_the_sum_it_stands_for(
    demo: Demo,
    tmp_path: Path,
    write: Callable[[Tensors, torch.Size], torch.Tensor],
    layer: str,
) -> None:
    """Worked out by hand, and exactly gone afterwards."""
    torch.manual_seed(0)
    tensors: Tensors = {}
    name = f"unet.{layer}.weight"
    expected = demo.untouched[name] + 0.7 * write(tensors, demo.untouched[name].shape)
    save_file(tensors, tmp_path / "one.safetensors")
    demo.loras.use([use(tmp_path / "one.safetensors", 0.7)])
    assert torch.allclose(weights_of(demo.parts)[name], expected, atol=1e-6)
    demo.loras.use([])
    assert demo.changed() == set()


def test_peft_s_own_scale_is_read_from_the_metadata(demo: Demo, tmp_path: Path) -> None:
    """Alpha over rank; another one for a layer that has its own."""
    torch.manual_seed(0)
    shape = demo.untouched[f"unet.{LAYER}.weight"].shape
    other = LAYER.replace("to_k", "to_v")
    down, up = random(4, shape[1]), random(shape[0], 4)
    tensors = {
        f"unet.{name}.lora_{side}.weight": value.clone()
        for name in (LAYER, other)
        for side, value in (("A", down), ("B", up))
    }
    said = '{"unet.r": 4, "unet.lora_alpha": 8, "unet.alpha_pattern": {"attn2.to_v": 2}}'
    save_file(tensors, tmp_path / "said.safetensors", metadata={"lora_adapter_metadata": said})
    demo.loras.use([use(tmp_path / "said.safetensors")])
    for name, scale in ((LAYER, 2.0), (other, 0.5)):
        before = demo.untouched[f"unet.{name}.weight"]
        assert torch.allclose(weights_of(demo.parts)[f"unet.{name}.weight"], before + scale * (up @ down), atol=1e-6)
    demo.loras.use([])


def test_names_that_are_none_are_counted_and_named(demo: Demo, tmp_path: Path) -> None:
    """The rest is applied; a file of nothing else is refused."""
    strange: Tensors = {f"lora_unet_nowhere_{number}.lora_down.weight": random(4, 8) for number in range(4)}
    strange |= {f"lora_unet_nowhere_{number}.lora_up.weight": random(8, 4) for number in range(4)}
    save_file(strange, tmp_path / "strange.safetensors")
    save_file({**strange, **load_file(demo_model.LORA), "bundle_emb.x": random(1)}, tmp_path / "mixed.safetensors")
    notes = demo.loras.use([use(tmp_path / "mixed.safetensors")])
    (text,) = notes.values()
    assert list(notes) == ["LoRA mixed"]
    assert "passed over 5 of " in text
    assert "bundle_emb.x" in text
    assert demo.loras.use([use(tmp_path / "mixed.safetensors")]) == notes, "said with every picture"
    with pytest.raises(ModelError, match=r"none of its 4 changes is for a layer of demo\.safetensors"):
        demo.loras.use([use(tmp_path / "strange.safetensors")])
    demo.loras.use([])
    assert demo.changed() == set()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lora_unet_x.dora_scale", "is a DoRA"),
        ("unet.x.lora_magnitude_vector", "is a DoRA"),
        ("lora_unet_x.oft_blocks", "is an OFT"),
    ],
)
def test_kinds_that_are_not_applied_are_refused_by_name(demo: Demo, tmp_path: Path, name: str, words: str) -> None:
    """Before any weight is touched."""
    save_file({**load_file(demo_model.LORA), name: random(1)}, tmp_path / "kind.safetensors")
    with pytest.raises(ModelError, match=words):
        demo.loras.use([use(tmp_path / "kind.safetensors")])


def test_a_lora_of_another_size_is_refused_and_changes_nothing(demo: Demo, tmp_path: Path) -> None:
    """With the layer's name and both sizes; what was applied before stays."""
    base = f"lora_unet_{LAYER.replace('.', '_')}"
    save_file(
        {f"{base}.lora_down.weight": random(4, 2048), f"{base}.lora_up.weight": random(640, 4)},
        tmp_path / "full.safetensors",
    )
    demo.loras.use([use(demo_model.LORA)])
    before = demo.changed()
    with pytest.raises(
        ModelError, match=r"made for another model: .*_attn2_to_k has .*the checkpoint's layer is 72x112"
    ):
        demo.loras.use([use(demo_model.LORA), use(tmp_path / "full.safetensors")])
    assert demo.changed() == before
    demo.loras.use([])


def test_a_file_replaced_under_its_name_is_read_anew(demo: Demo, tmp_path: Path) -> None:
    """Another file, another identity; a file that is gone is named."""
    path = tmp_path / "mine.safetensors"
    path.write_bytes(demo_model.LORA.read_bytes())
    demo.loras.use([use(path)])
    first, identity = demo.weight(LAYER).clone(), identity_of([use(path)])
    halved = {name: value / math.sqrt(2) if "lora_" in name[-17:] else value for name, value in load_file(path).items()}
    save_file(halved, path)
    assert identity_of([use(path)]) != identity
    demo.loras.use([use(path)])
    before = demo.untouched[f"unet.{LAYER}.weight"]
    second = demo.weight(LAYER)
    assert torch.allclose(second - before, (first - before) / 2, atol=1e-4)
    demo.loras.use([])
    path.unlink()
    with pytest.raises(ModelError, match=r"mine\.safetensors: No such file"):
        demo.loras.use([use(path)])


def test_half_precision_is_gone_to_the_bit_as_well() -> None:
    """What was rounded when it was added could not be taken away again by subtraction."""
    demo = demo_of(plain().to(torch.float16))
    demo.loras.use([use(demo_model.LORA, 0.3)])
    assert demo.changed()
    demo.loras.use([use(demo_model.LORA, -1.7)])
    demo.loras.use([])
    assert demo.changed() == set()


SHAPES = st.lists(st.integers(0, 4) | st.sampled_from([72, 112]), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tensors=st.dictionaries(st.sampled_from(sorted(ROLES)), SHAPES, min_size=1, max_size=5))
def test_no_file_of_whatever_sizes_does_more_than_be_refused(
    demo: Demo, tmp_path: Path, tensors: dict[str, list[int]]
) -> None:
    """Or be applied, where it fits; afterwards everything is as it was."""
    path = tmp_path / "odd.safetensors"
    base = f"lora_unet_{LAYER.replace('.', '_')}"
    save_file({f"{base}.{role}": torch.ones(shape) for role, shape in tensors.items()}, path)
    with contextlib.suppress(ModelError):
        demo.loras.use([use(path)])
    demo.loras.use([])
    assert demo.changed() == set()


def test_every_layer_that_kohya_s_scripts_train_of_sdxl_is_known() -> None:
    """722 of the UNet under either kind of name, 72 and 192 of the text encoders: the counts that its scripts print."""
    files = {path: json.loads(text) for path, text in configuration_files() if path.endswith("config.json")}
    unet = build_unet(files["unet/config.json"])
    first, second = (build_text_encoder(files[f"{name}/config.json"]) for name in ("text_encoder", "text_encoder_2"))
    nothing: Any = None
    parts = Parts("sdxl", unet, nothing, first, second, nothing, nothing, scheduler_config={}, config={})
    layers = layers_of(parts, changeable(parts))
    for pattern, count in (
        (r"unet (down|mid|up)_block.*(attn|ff_net|_attentions_\d_proj_(in|out)$)", 722),
        (r"unet (input|middle|output)_block.*(attn|ff_net|_proj_(in|out)$)", 722),
        (r"text_encoder .*(self_attn|mlp)", 72),
        (r"text_encoder_2 .*(self_attn|mlp)", 192),
    ):
        found = {layers[key] for key in layers if re.match(pattern, " ".join(key)) and "time_emb" not in key[1]}
        assert len(found) == count, pattern
    for name, weight in {
        "input_blocks_4_1_transformer_blocks_1_attn2_to_out_0": (
            "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_out.0"
        ),
        "input_blocks_8_1_proj_in": "down_blocks.2.attentions.1.proj_in",
        "middle_block_1_transformer_blocks_9_ff_net_0_proj": (
            "mid_block.attentions.0.transformer_blocks.9.ff.net.0.proj"
        ),
        "output_blocks_5_1_transformer_blocks_0_attn1_to_k": (
            "up_blocks.1.attentions.2.transformer_blocks.0.attn1.to_k"
        ),
        "output_blocks_2_2_conv": "up_blocks.0.upsamplers.0.conv",
        "input_blocks_3_0_op": "down_blocks.0.downsamplers.0.conv",
        "input_blocks_1_0_in_layers_2": "down_blocks.0.resnets.0.conv1",
    }.items():
        assert layers["unet", name] == ("unet", f"{weight}.weight")
