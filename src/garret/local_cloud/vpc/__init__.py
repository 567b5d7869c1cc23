"""VPC, 2016-04-28: networks, switches and elastic addresses."""
