"""What the service is made of: the bill of materials is valid CycloneDX, complete, and has a hash for every file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[1]


def uv() -> str:
    """Return the path of uv: the one that is installed, or the one that `make install` brought."""
    return shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")


def exported(*options: str) -> str:
    """Return what uv writes of the locked dependencies of the service, without the tools of its development."""
    command = [uv(), "export", "--quiet", "--frozen", "--no-dev", *options]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout


def faults_of(text: str) -> list[str]:
    """Return what is wrong with a bill of materials."""
    made: dict[str, Any] = json.loads(text)
    found = JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(_thinned(made)))
    if found is not None:
        return [f"it is not CycloneDX 1.5: {found}"]
    faults = [f"{name} is missing" for name in sorted(runtime() - {one["name"] for one in made["components"]})]
    for one in made["components"]:
        files = [file for file in one.get("externalReferences", ()) if file["type"] == "distribution"]
        if not one.get("purl") or not files or not all(file.get("hashes") for file in files):
            faults.append(f"{one['name']} has no address or no hash")
    return faults


def _thinned(made: dict[str, Any]) -> dict[str, Any]:
    """Keep one file of each package: they are thousands, all written alike, and the validator is slow."""
    components = [one | {"externalReferences": one.get("externalReferences", [])[:1]} for one in made["components"]]
    return made | {"components": components}


def runtime() -> set[str]:
    """Return the names of what pyproject.toml says the service needs, as uv.lock writes them."""
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    own = next(package for package in locked if package["name"] == "defervesce")
    return {dependency["name"] for dependency in own["dependencies"]}


def main() -> int:
    """Check a file; 1 when something is wrong with it."""
    path = Path(sys.argv[1])
    text = path.read_text(encoding="utf-8")
    faults = faults_of(text)
    told = (
        "\n".join(faults) or f"{path}: CycloneDX 1.5, {len(json.loads(text)['components'])} components, all with hashes"
    )
    sys.stdout.write(told + "\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
