"""Scaling laws, data requirement, optimal collection."""
