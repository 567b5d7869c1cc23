"""The engine: from words and noise to pictures."""
