"""The revision of the schema that this release needs.

A constant, so that the service at start need not load Alembic; a test compares the two.
"""

from typing import Final

HEAD: Final = "0003"
