"""Callers, keys, tokens, tenants and the audit trail. Not yet furnished."""
