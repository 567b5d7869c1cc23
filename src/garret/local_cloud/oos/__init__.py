"""OOS, 2019-06-01: templates, kept and checked; nothing executes them."""
