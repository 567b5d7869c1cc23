"""The language of prompts, as A1111's page made it common: what a text says at each step, without a model."""
