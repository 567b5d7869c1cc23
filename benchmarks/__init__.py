"""Ratios, measured side by side in one run; `make bench` runs them all and keeps what it found as JSON."""
