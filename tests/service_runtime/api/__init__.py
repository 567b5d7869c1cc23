"""Tests of the dialects, over HTTP and by the clients that people have."""
