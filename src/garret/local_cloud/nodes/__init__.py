"""How the local cloud boots its nodes: one driver per way, and what each of them proves."""
