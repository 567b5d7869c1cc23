"""Tests of the extensions of the service."""
