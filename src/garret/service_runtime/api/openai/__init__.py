"""The dialect of OpenAI's Images API: `/v1/images/generations`, `edits` and `variations`."""
