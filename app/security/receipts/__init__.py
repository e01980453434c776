"""Receipts: what proves later that this answer was given to this input, by these rules and this code."""
