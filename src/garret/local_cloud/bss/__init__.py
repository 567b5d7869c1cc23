"""Billing (BssOpenApi 2017-12-14): what was billed, from the ledger."""
