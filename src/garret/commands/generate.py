"""`garret generate`."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from garret.ops.cloud import Cloud

EPILOG = """\b
Examples:
  garret generate "a red circle on a blue background" -o circle.png
  garret generate "a green star on a white background" --count 4 --seed 7
  garret generate "a portrait" --negative "blurry" --model mine
  garret generate "a green star" --init-image circle.png --denoise 0.6
  garret generate "a green star" --init-image photo.jpg --mask sky.png --only-masked
  garret generate "a wide landscape" --init-image photo.jpg --outpaint --width 1536
  garret generate "a lighthouse <lora:ink:0.7>" --set sampler="DPM++ 2M" --set hires.scale=1.5 -o lighthouse.webp

With --count 4, star.png becomes star-1.png to star-4.png. What is left out takes the model's own default.
--set takes every field of a request that docs/engine.md names: refiner.mode=again, clip_skip=2, styles='["Ink"]'.
Of a mask, white is repainted; what lies beyond its blurred edge stays exactly as it was.
"""


_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(epilog=EPILOG)
@click.argument("prompt")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write: .png, .jpg or .webp."
)
@click.option("--negative", default="", help="What should not be in the picture.")
@click.option("--model", help="Which checkpoint; else the one chosen on the node.")
@click.option("--steps", type=int, help="Denoising steps.")
@click.option("--seed", type=int, help="The same seed gives the same picture.")
@click.option("--width", type=int, help="Pixels.")
@click.option("--height", type=int, help="Pixels.")
@click.option("--init-image", type=_FILE, help="Begin from this picture (PNG, JPEG or WebP).")
@click.option("--mask", type=_FILE, help="Repaint only what is white in this picture.")
@click.option("--only-masked", is_flag=True, help="Paint the masked part alone, at full size, and put it back.")
@click.option("--denoise", type=click.FloatRange(0, 1), help="How much of the picture is made anew (0.75).")
@click.option("--outpaint", is_flag=True, help="Continue the picture to --width and --height.")
@click.option("--set", "fields", metavar="NAME=VALUE", multiple=True, help="Any other field; again for each.")
@click.option("--count", type=click.IntRange(1, 16), default=1, help="How many pictures.")
@name_option
@cloud_options
def generate(caller: Caller, prompt: str, output: Path | None, count: int, name: str | None, **said: Any) -> int:
    """Make pictures from words, or from a picture and words."""
    from garret.ops.generate import file_names
    from garret.ops.generate import generate as make
    from garret.ops.request_fields import format_of, merged, read_fields

    if not prompt.strip():
        raise UsageError("the prompt is empty", 'garret generate "a red circle on a blue background"')
    settings = caller.settings()
    deployment = caller.deployment(settings, name)
    started = time.monotonic()

    def cloud() -> Cloud | None:
        return caller.cloud_of(settings, deployment) if caller.has_cloud(settings) else None

    body = merged(_body(prompt, said), read_fields(said["fields"]))
    if (picture_format := format_of(output)) != "png":
        body = merged(body, {"output": {"format": picture_format}})
    told = partial(caller.console.share, "making") if caller.console.draws else None
    try:
        made = make(deployment, body, file_names(output, prompt, count), cloud, told)
    except KeyboardInterrupt:
        raise Interrupted("interrupted: the job was cancelled, and no picture written", "the same again") from None
    seconds = time.monotonic() - started
    facts = {"name": deployment.name, "prompt": prompt, "pictures": [str(path) for path in made.paths]}
    seeds = [f"seed {seed}, " for seed in made.seeds] or [""] * len(made.paths)
    lines = [f"{path}   ({seed}{seconds:.1f} s)" for path, seed in zip(made.paths, seeds, strict=False)]
    lines += [f"{name}: {text}" for name, text in made.notes.items()]
    caller.console.answer({**facts, "seeds": made.seeds, "notes": made.notes}, lines)
    return 0


def _body(prompt: str, said: dict[str, Any]) -> dict[str, Any]:
    """The request in the service's own words; what was not said is left out."""
    body: dict[str, Any] = {"prompt": prompt, "negative_prompt": said["negative"]}
    body |= {field: said[field] for field in ("steps", "seed", "width", "height") if said[field] is not None}
    if said["model"]:
        body["checkpoint"] = said["model"]
    if start := _start(said):
        body["start"] = start
    return body


def _start(said: dict[str, Any]) -> dict[str, Any]:
    """What is begun from a picture; nothing where there is none."""
    from garret.ops.generate import file_as_text

    if said["init_image"] is None:
        for option in ("mask", "only_masked", "denoise", "outpaint"):
            if said[option] not in (None, False):
                flag = "--" + option.replace("_", "-")
                raise UsageError(f"{flag} needs a picture to begin from", f"--init-image FILE {flag} …")
        return {}
    # What is added to a picture has no old colours that were worth keeping.
    denoise = said["denoise"] if said["denoise"] is not None else 1.0 if said["outpaint"] else 0.75
    start: dict[str, Any] = {"image": file_as_text(said["init_image"]), "denoise": denoise}
    if said["outpaint"]:
        start["resize"] = "outpaint"
    if said["mask"] is not None:
        start["mask"] = {"image": file_as_text(said["mask"]), "only_masked": said["only_masked"]}
    elif said["only_masked"]:
        raise UsageError("--only-masked needs a mask", "--mask FILE --only-masked")
    return start
