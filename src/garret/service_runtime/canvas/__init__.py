"""Pictures and masks before and after they are painted on, in pixels: Pillow and numpy, nothing of a model."""
