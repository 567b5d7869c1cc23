"""Quota Center (quotas 2020-05-10) and the limits that the other products keep to."""
