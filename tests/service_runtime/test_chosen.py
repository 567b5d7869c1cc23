"""What a request names becomes models that fit each other: LoRAs, VAE and refiner, by name or by their widths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from garret.service_runtime.asked import Lora, Refiner
from garret.service_runtime.batch import Used, UsedLora
from garret.service_runtime.chosen import MAXIMUM_LORAS, choose_models
from garret.service_runtime.errors import ModelError, UnknownChoice
from garret.service_runtime.models import HashCache, Model, Models
from garret.service_runtime.tensor_families import UNET
from tests.service_runtime.asking import ask
from tests.service_runtime.living import safetensors_bytes

READER = UNET + "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
WORDS = "conditioner.embedders.{}.model.token_embedding.weight"
DECODER = "decoder.conv_in.weight"
LORA = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight"


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Models]:
    """A registry of two bases of other widths, with LoRAs, VAEs and refiners for them."""
    for path, shapes in {
        "Stable-diffusion/base": base(8, 4, 16),
        "Stable-diffusion/other": base(12, 6, 24),
        "Stable-diffusion/refiner-a": {READER: (2, 6), WORDS.format(0): (3, 6)},
        "Stable-diffusion/refiner-b": {READER: (2, 4), WORDS.format(0): (3, 4)},
        "Stable-diffusion/old": {UNET + "out.0.weight": (1,), "cond_stage_model.transformer.x": (1,)},
        "Lora/Heart": {LORA: (2, 8), "lora_te1_x.lora_up.weight": (1,)},
        "Lora/wide": {LORA: (2, 12), "lora_te1_x.lora_up.weight": (1,)},
        "Lora/ancient": {"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": (8, 768)},
        "VAE/plain": {DECODER: (16, 4, 3, 3)},
        "VAE/sdxl-vae-fp16-fix": {DECODER: (16, 4, 3, 3)},
        "VAE/other.vae": {DECODER: (24, 4, 3, 3)},
    }.items():
        file = tmp_path / f"{path}.safetensors"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(safetensors_bytes(shapes))
    cache = HashCache(tmp_path / "models.sqlite")
    yield Models(tmp_path, tmp_path / "configs", cache)
    cache.close()


def base(text: int, second: int, decoder: int) -> dict[str, tuple[int, ...]]:
    """Return the tensors of a base model of these widths."""
    decoders = {f"first_stage_model.{DECODER}": (decoder, 4, 3, 3)}
    return {READER: (2, text), WORDS.format(1): (3, second), **decoders}


def test_a_request_without_names_gets_the_checkpoint_alone(models: Models, tmp_path: Path) -> None:
    """And the VAE that keeps half precision from overflowing, for engines that need it."""
    folder = tmp_path / "Stable-diffusion"
    half = str(tmp_path / "VAE/sdxl-vae-fp16-fix.safetensors")
    assert choose_models(ask(checkpoint="base"), (), models).used == Used(
        str(folder / "base.safetensors"), half_vae=half
    )


def test_loras_are_found_in_whatever_case_and_their_weights_summed(models: Models, tmp_path: Path) -> None:
    """A text weight that is not given is the weight; what sums to nothing is not used."""
    asked = (Lora("heart", 0.5), Lora("Heart.safetensors", 0.25, 1.0))
    used = choose_models(ask(checkpoint="base"), asked, models).used
    assert used.loras == (UsedLora(str(tmp_path / "Lora/Heart.safetensors"), 0.75, 1.5),)
    assert choose_models(ask(checkpoint="base"), (Lora("heart"), Lora("heart", -1.0)), models).loras == ()


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("hart", UnknownChoice, "no LoRA is called 'hart'"),
        ("ancient", ModelError, "a LoRA for Stable Diffusion 1.x"),
        ("wide", ModelError, "made for text 12 wide, and base reads 8"),
    ],
)
def test_a_lora_that_does_not_fit_is_refused_by_name(
    models: Models, name: str, error: type[Exception], words: str
) -> None:
    """Unknown, of another family, of other widths."""
    with pytest.raises(error, match=words):
        choose_models(ask(checkpoint="base"), (Lora(name),), models)


def test_an_unknown_lora_is_answered_with_those_there_are(models: Models) -> None:
    """So that the next try is right."""
    with pytest.raises(UnknownChoice) as caught:
        choose_models(ask(checkpoint="base"), (Lora("hart"),), models)
    assert caught.value.hint == "There are: Heart, ancient, wide"
    assert caught.value.field == "loras"


def test_too_many_loras_are_refused(models: Models, tmp_path: Path) -> None:
    """Each is memory and time."""
    for number in range(MAXIMUM_LORAS + 1):
        (tmp_path / f"Lora/n{number}.safetensors").write_bytes(safetensors_bytes({LORA: (2, 8)}))
    with pytest.raises(ModelError, match="33 are asked for"):
        choose_models(ask(checkpoint="base"), [Lora(f"n{number}") for number in range(MAXIMUM_LORAS + 1)], models)


class Counting(Models):
    """A registry that counts how often it is asked for a name."""

    asked = 0

    def find(self, model_type: str, text: str, field_name: str) -> Model:
        """Return the model, counted."""
        self.asked += 1
        return super().find(model_type, text, field_name)


def test_a_thousand_tags_of_a_lora_look_for_it_once(models: Models, tmp_path: Path) -> None:
    """A prompt has room for them, and the service answers nobody else meanwhile."""
    assert models.all("lora")
    cache = HashCache(tmp_path / "models.sqlite")
    counting = Counting(tmp_path, tmp_path / "configs", cache)
    chosen = choose_models(ask(checkpoint="base"), [Lora("heart", 0.5), Lora("Heart", -0.25)] * 500, counting)
    cache.close()
    assert [(one.weight, one.text_weight) for one in chosen.loras] == [(125.0, 125.0)]
    assert counting.asked == 2


@pytest.mark.parametrize(
    ("checkpoint", "vae", "name", "half"),
    [
        ("base", "Automatic", None, "sdxl-vae-fp16-fix"),
        ("other", "", "other.vae", None),
        ("base", "None", None, None),
        ("base", "plain", "plain", None),
        ("base", "PLAIN.safetensors", "plain", None),
        ("base", "sdxl-vae-fp16-fix", "sdxl-vae-fp16-fix", "sdxl-vae-fp16-fix"),
    ],
)
def test_a_vae_is_the_named_one_or_lies_beside_the_checkpoint(
    models: Models, checkpoint: str, vae: str, name: str | None, half: str | None
) -> None:
    """By A1111's names."""
    chosen = choose_models(ask(checkpoint=checkpoint, vae=vae), (), models)
    assert (chosen.vae and chosen.vae.name, chosen.half_vae and chosen.half_vae.name) == (name, half)


def test_a_vae_of_another_kind_is_refused(models: Models) -> None:
    """By the decoder's width; an unknown one with those there are."""
    with pytest.raises(ModelError, match="has a decoder 24 wide, and base needs one of 16"):
        choose_models(ask(checkpoint="base", vae="other.vae"), (), models)
    with pytest.raises(UnknownChoice, match="no VAE is called 'nothing'"):
        choose_models(ask(checkpoint="base", vae="nothing"), (), models)


def test_a_refiner_is_found_by_what_it_reads(models: Models) -> None:
    """The first whose words are as wide as the base's; or by name."""
    for checkpoint, name in (("base", "refiner-b"), ("other", "refiner-a")):
        for text in ("", name):
            chosen = choose_models(ask(checkpoint=checkpoint, refiner=Refiner(text)), (), models)
            assert chosen.refiner
            assert chosen.refiner.name == name
    assert choose_models(ask(checkpoint="base"), (), models).refiner is None


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("nobody", UnknownChoice, "no checkpoint is called"),
        ("other", ModelError, "other is a base model"),
        ("old", ModelError, "Stable Diffusion 1.x"),
        ("refiner-a", ModelError, "refiner-a reads other words than base writes"),
    ],
)
def test_what_is_no_refiner_of_this_base_is_refused_by_name(
    models: Models, name: str, error: type[Exception], words: str
) -> None:
    """With the refiners that fit."""
    with pytest.raises(error, match=words):
        choose_models(ask(checkpoint="base", refiner=Refiner(name)), (), models)


def test_a_node_without_a_refiner_says_so(models: Models, tmp_path: Path) -> None:
    """And where one comes from."""
    (tmp_path / "Stable-diffusion/refiner-b.safetensors").unlink()
    with pytest.raises(UnknownChoice, match="no refiner for base is on this node"):
        choose_models(ask(checkpoint="base", refiner=Refiner()), (), models)


def test_old_and_refining_checkpoints_are_refused_as_bases(models: Models) -> None:
    """By what they are."""
    with pytest.raises(ModelError, match="a checkpoint of Stable Diffusion 1"):
        choose_models(ask(checkpoint="old"), (), models)
    with pytest.raises(ModelError, match="SDXL's refiner"):
        choose_models(ask(checkpoint="refiner-a"), (), models)


def test_a_lora_replaced_under_its_name_is_looked_at_again(models: Models, tmp_path: Path) -> None:
    """Without a restart."""
    request = replace(ask(checkpoint="base"), loras=(Lora("heart"),))
    assert choose_models(request, request.loras, models).loras
    shapes = {LORA: (2, 12), "lora_te1_x.lora_up.weight": (1,), "lora_te1_y.lora_up.weight": (1,)}
    (tmp_path / "Lora/Heart.safetensors").write_bytes(safetensors_bytes(shapes))
    with pytest.raises(ModelError, match="made for text 12 wide"):
        choose_models(request, request.loras, models)
