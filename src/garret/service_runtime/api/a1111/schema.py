"""What OpenAPI says of A1111's bodies and lists; fields that are not named are left alone."""

from __future__ import annotations

from garret.service_runtime.api.describe import Schema, answer, field, listed, record
from garret.service_runtime.asked import UPSCALERS
from garret.service_runtime.samplers import SAMPLERS, SCHEDULES

_OF_WORDS: dict[str, Schema] = {
    "prompt": field("string", "at most 16,000 characters"),
    "negative_prompt": field("string", "what the picture should not show"),
    "styles": listed({"type": "string"}, "names of /prompt-styles"),
    "width": field("integer", "64 to 2048, a multiple of 8; empty: the model's own size"),
    "height": field("integer", "64 to 2048, a multiple of 8; empty: the model's own size"),
    "steps": field("integer", "1 to 150"),
    "cfg_scale": field("number", "0 to 50"),
    "seed": field("integer", "-1 for any"),
    "subseed": field("integer", "the seed of a variation, -1 for any"),
    "subseed_strength": field("number", "0 to 1: how much of that seed's noise"),
    "seed_resize_from_w": field("integer", "the width that the seed's picture had; 0 or -1: none"),
    "seed_resize_from_h": field("integer", "the height that the seed's picture had; 0 or -1: none"),
    "batch_size": field("integer", "1 to 4"),
    "n_iter": field("integer", "1 to 16; at most 16 pictures in all"),
    "sampler_name": field("string", ", ".join(entry.name for entry in SAMPLERS)),
    "scheduler": field("string", ", ".join(entry.label for entry in SCHEDULES)),
    "eta": field("number", "0 to 1, for ancestral samplers, SDEs and DDIM"),
    "s_churn": field("number", "0 to 1000, for Euler, Heun and DPM2"),
    "s_tmin": field("number", "the lowest level of noise with churn"),
    "s_tmax": field("number", "the highest level of noise with churn; 0: any"),
    "s_noise": field("number", "0 to 2: what noise on the way is multiplied by"),
    "enable_hr": field("boolean", "a second pass at a larger size"),
    "denoising_strength": field("number", "0 to 1, of the second pass; empty: 0.75"),
    "hr_scale": field("number", "1 to 4"),
    "hr_resize_x": field("integer", "the second pass's width instead of a scale"),
    "hr_resize_y": field("integer", "the second pass's height instead of a scale"),
    "hr_upscaler": field("string", f"{', '.join(UPSCALERS)}, or a network of /upscalers"),
    "hr_second_pass_steps": field("integer", "0: as many as the first pass"),
    "hr_sampler_name": field("string", "empty: the first pass's"),
    "hr_scheduler": field("string", "empty: the first pass's"),
    "hr_prompt": field("string", "empty: the first pass's"),
    "hr_negative_prompt": field("string", "empty: the first pass's"),
    "hr_cfg": field("number", "0: the first pass's"),
    "refiner_checkpoint": field("string", "the model that takes over"),
    "refiner_switch_at": field("number", "0 to 1: after which share of the steps; empty: 0.8"),
    "override_settings": field(
        "object",
        "sd_model_checkpoint, sd_vae, CLIP_stop_at_last_layers, samples_format (png, jpg, webp), jpeg_quality",
    ),
    "send_images": field("boolean", "false: only parameters and info"),
    "infotext": field("string", "the text of a picture; what the request says itself counts more"),
    "force_task_id": field("string", "a name to ask /internal/progress with"),
    "override_settings_restore_afterwards": field("boolean", "false: they stay the caller's options"),
}
TXT2IMG = record(_OF_WORDS)
_OF_PICTURES: dict[str, Schema] = {
    "init_images": listed({"type": "string"}, "one picture: PNG, JPEG or WebP as base64 or a data URI, at most 20 MB"),
    "denoising_strength": field("number", "0 to 1; empty: 0.75"),
    "resize_mode": field("integer", "0 stretch, 1 crop, 2 fill, 3 latents, 4 outpaint"),
    "mask": field("string", "a picture; what is white in it is repainted"),
    "mask_blur": field("number", "0 to 64 pixels; empty: 4"),
    "mask_round": field("boolean", "false: shades of grey are repainted in part"),
    "inpainting_fill": field("integer", "0 fill, 1 original, 2 latent noise, 3 latent nothing"),
    "inpaint_full_res": field("boolean", "empty: true, only the masked part at full size"),
    "inpaint_full_res_padding": field("integer", "0 to 256 pixels around the masked part"),
    "inpainting_mask_invert": field("integer", "1: what is black is repainted"),
    "initial_noise_multiplier": field("number", "0 to 1.5"),
    "include_init_images": field("boolean", "true: the reply repeats the pictures sent"),
}
IMG2IMG = record(
    {**_OF_WORDS, **_OF_PICTURES}, description="a second pass belongs to txt2img: its fields are left alone"
)


def array(*names: str) -> Schema:
    """Return the answer of a list of objects that have these fields."""
    return answer("The list.", {"type": "array", "items": record({name: {} for name in names}, required=names)})


def nothing() -> Schema:
    """Return the answer that says only that it was done."""
    return answer("Done.", {"type": "null"})
