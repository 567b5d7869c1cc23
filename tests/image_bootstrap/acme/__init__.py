"""The trusted certificate, got and renewed with real programs."""
