"""The dialect of A1111's web UI: `/sdapi/v1` and what its clients ask beside it."""
