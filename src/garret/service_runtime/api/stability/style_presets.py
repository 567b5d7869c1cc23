"""Styles by the names that Stability's API and SageMaker's SDXL know (`style_preset`), in words of our own.

The names are those of Stability's OpenAPI document (schema `StylePreset`); what they add to a prompt there is not
published. A node's own styles of `styles.csv` are taken by their names as well, and come after these.
"""

from __future__ import annotations

from collections.abc import Mapping

from garret.service_runtime.errors import UnknownChoice
from garret.service_runtime.styles import Style

_PRESETS = (
    Style(
        "3d-model",
        "3D model of {prompt}, physically based materials, studio lighting, ambient occlusion, high-resolution render",
        "flat drawing, sketch, photograph, grain",
    ),
    Style(
        "analog-film",
        "analog film photograph of {prompt}, 35 mm film, visible grain, faded colours, soft vignette, light leaks",
        "digital render, drawing, painting, oversharpened",
    ),
    Style(
        "anime",
        "anime illustration of {prompt}, clean ink outlines, cel shading, expressive eyes, vivid colours, key visual",
        "photograph, 3D render, realism, muddy colours",
    ),
    Style(
        "cinematic",
        "cinematic still of {prompt}, anamorphic lens, shallow depth of field, dramatic light, colour grading",
        "drawing, cartoon, flat lighting, snapshot, watermark",
    ),
    Style(
        "comic-book",
        "comic book panel of {prompt}, bold inked outlines, halftone dots, flat bright colours, dynamic composition",
        "photograph, 3D render, blurry, washed out",
    ),
    Style(
        "digital-art",
        "digital painting of {prompt}, concept art, clean brushwork, rich colours, fine detail, striking light",
        "photograph, low resolution, noise, rough sketch",
    ),
    Style(
        "enhance",
        "{prompt}, highly detailed, crisp focus, balanced exposure, vivid yet natural colours, professional quality",
        "blurry, low quality, jpeg artifacts, noise, overexposed, deformed",
    ),
    Style(
        "fantasy-art",
        "fantasy art of {prompt}, epic scenery, magical atmosphere, ornate detail, glowing light, painterly",
        "modern, mundane, photograph, plain background, low detail",
    ),
    Style(
        "isometric",
        "isometric view of {prompt}, orthographic projection, small diorama, crisp edges, soft even light",
        "perspective distortion, photograph, blurry, cluttered",
    ),
    Style(
        "line-art",
        "line drawing of {prompt}, black ink on white paper, clean contours, no shading, minimal",
        "colour, photograph, 3D render, gradient, texture",
    ),
    Style(
        "low-poly",
        "low-poly 3D scene of {prompt}, flat-shaded triangles, simple geometry, soft ambient light",
        "smooth surfaces, photograph, fine texture, noise, sketch",
    ),
    Style(
        "modeling-compound",
        "{prompt} made of modelling clay, plasticine sculpture, fingerprints in the clay, miniature set, soft shadows",
        "photograph of a real scene, drawing, glossy plastic, flat",
    ),
    Style(
        "neon-punk",
        "{prompt} in neon-lit cyberpunk style, glowing magenta and cyan, rain-wet streets, high contrast, night",
        "daylight, pastel, faded, plain, black and white",
    ),
    Style(
        "origami",
        "{prompt} as folded paper origami, sharp creases, paper texture, layered sheets, soft studio light",
        "photograph of a real scene, drawing, fur, smooth skin, noise",
    ),
    Style(
        "photographic",
        "photograph of {prompt}, natural light, sharp focus, realistic texture, true colours, 50 mm lens",
        "drawing, painting, 3D render, cartoon, oversaturated, deformed",
    ),
    Style(
        "pixel-art",
        "pixel art of {prompt}, 16-bit game sprite, limited palette, crisp square pixels, dithering",
        "smooth gradient, anti-aliasing, photograph, blurry, realism",
    ),
    Style(
        "tile-texture",
        "seamless tileable texture of {prompt}, even lighting, flat top view, repeating pattern, fine surface detail",
        "border, frame, perspective, single object, shadow, vignette",
    ),
)
STYLE_PRESETS: Mapping[str, Style] = {style.name: style for style in _PRESETS}
NO_STYLE = ("", "none", "None")


def find_style(name: str, own: Mapping[str, Style], field: str = "style_preset") -> Style | None:
    """Return the style of a name, None for no style; `own` are the node's, by their names.

    Raises:
        UnknownChoice: there is none of that name; says which there are.
    """
    if name in NO_STYLE:
        return None
    found = STYLE_PRESETS.get(name) or own.get(name)
    if found is None:
        known = ", ".join((*STYLE_PRESETS, *own))
        raise UnknownChoice(field, f"{name[:80]!r} is not there", f"Known: {known[:2000]}")
    return found
