"""The page itself: templates, escaping, and the policy that lets its one style sheet in and nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.cohorts.report.view import Report

_TEMPLATES: Final = Path(__file__).parent / "templates"


def render(report: Report) -> bytes:
    """Write a report. Every text is escaped; our own style sheet and drawings alone are placed as they are."""
    return _environment().get_template("report.html.jinja").render(report=report, style=Markup(_style())).encode()  # noqa: S704  # our own file


@cache
def policy() -> str:
    """Return the page's policy: its one style sheet by hash; no script, image, font, request, no frame around it."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@cache
def _style() -> str:
    return (_TEMPLATES / "report.css").read_text(encoding="utf-8").strip()


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
