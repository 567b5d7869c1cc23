"""Training of the demo model: a very small SDXL that draws coloured shapes."""
