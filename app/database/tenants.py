"""Whose a kept thing is. Every cohort, job and remembered answer belongs to one tenant; nobody else sees it."""

from typing import Final

# The tenant of whoever calls a service that has no callers configured, and of all that was kept before there were any.
DEFAULT_TENANT: Final = "default"
# What is built in belongs to nobody and is seen by all. No tenant can be called so.
SHARED_TENANT: Final = "*"
LONGEST_TENANT: Final = 64
TENANT_NAME: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
