"""The dialect of Cog, and the inputs that Replicate's SDXL has under it."""
