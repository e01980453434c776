"""What a path leads to, known before anything is routed: whether everybody may go there, and its template."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import compile_path

from app.api.callers import is_public

Place = tuple[str | None, object, bool]


class Paths:
    """The paths of an application, from (template, endpoint, whether it is the root of a mount)."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._exact: dict[str, bool] = {}
        self._patterns = []
        for template, endpoint, is_mount in places:
            if template is None:
                continue
            if is_mount:
                pattern, _, _ = compile_path(f"{template}/{{path:path}}")
            elif "{" not in template:
                self._exact[template] = self._exact.get(template, True) and is_public(endpoint)
                continue
            else:
                pattern, _, _ = compile_path(template)
            self._patterns.append((pattern, template, is_public(endpoint)))

    def is_public(self, path: str) -> bool:
        """Say whether everybody may call a path. What leads nowhere is nobody's business."""
        if path in self._exact:
            return self._exact[path]
        found = [public for pattern, _, public in self._patterns if pattern.match(path)]
        return bool(found) and all(found)

    def template(self, path: str) -> str | None:
        """Return the template of a path, None when it leads nowhere."""
        if path in self._exact:
            return path
        return next((template for pattern, template, _ in self._patterns if pattern.match(path)), None)
