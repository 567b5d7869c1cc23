"""OOS, 2019-06-01: templates, kept and checked, and executions that carry them out by the local cloud's clock."""
