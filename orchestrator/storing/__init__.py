"""Stored data: records, plans, claims on trials, and the store that holds them."""
