"""The commands, one file per group: each reads its options, calls one verb, and shows what it returned."""
