"""The sizes that SDXL was trained at, as its own demonstration offers them; others work, these work best.

Stability AI's `generative-models`, SD_XL_BASE_RATIOS: about a megapixel each, sides in multiples of 64.
"""

from __future__ import annotations

SDXL_SIZES: tuple[tuple[int, int], ...] = (
    (704, 1408), (704, 1344), (768, 1344), (768, 1280), (832, 1216), (832, 1152), (896, 1152), (896, 1088), (960, 1088),
    (960, 1024), (1024, 1024), (1024, 960), (1088, 960), (1088, 896), (1152, 896), (1152, 832), (1216, 832),
    (1280, 768), (1344, 768), (1344, 704), (1408, 704), (1472, 704), (1536, 640), (1600, 640), (1664, 576),
    (1728, 576),
)  # fmt: skip
"""Width and height in pixels, from the tallest to the widest."""
