"""The only place of this room that speaks SQL: callers, the audit trail, receipts and signing keys.

Loads SQLAlchemy; whoever stands above loads it with the first use.
"""
