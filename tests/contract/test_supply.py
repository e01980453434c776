"""Supply chain: locked and hashed, an image without rights, secrets or a writable root, and a service that lives so."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests import supply
from tests.cohort_api import record
from tests.serving import NDJSON, Service, run

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
NOBODY = 65534


def test_the_bill_of_materials_is_valid_and_complete():
    assert supply.faults_of(supply.exported("--format", "cyclonedx1.5")) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda made: made.pop("bomFormat"), "not CycloneDX"),
        (lambda made: made["components"].pop(0), "is missing"),
        (lambda made: made["components"][0].pop("externalReferences"), "no hash"),
    ],
)
def test_a_bill_of_materials_that_is_not_is_refused(change, fault):
    made = json.loads(supply.exported("--format", "cyclonedx1.5"))
    del made["components"][3:]
    change(made)
    assert fault in " ".join(supply.faults_of(json.dumps(made)))


def test_every_file_that_is_installed_is_locked_by_its_hash():
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    files = [file for package in locked for file in (*package.get("wheels", ()), package.get("sdist"))]
    assert all(file is None or file["hash"].startswith("sha256:") for file in files)
    assert {next(iter(package["source"])) for package in locked} == {"registry", "editable"}
    assert "uv sync --locked --no-dev" in DOCKERFILE
    assert not re.search(r"pip install(?!.*uv==)", DOCKERFILE)


def test_the_image_has_no_rights_and_no_secrets():
    stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", stage, re.MULTILINE)
    assert "COPY --from=build" in stage
    assert not re.search(r"COPY (?!--from=build)", stage), "something comes in beside what was built"
    assert not re.search(r"(?i)password|secret|token|api_?key", DOCKERFILE)
    # What is not named does not even get to the builder: no .env, no database, no key.
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert ignored[0] == "*"
    assert {line for line in ignored if line.startswith("!")} == {
        "!app",
        "!alembic",
        "!pyproject.toml",
        "!uv.lock",
        "!README.md",
        "!LICENSE",
        "!NOTICE",
    }


def test_the_composed_service_may_write_to_its_volumes_alone():
    service = COMPOSE["services"]["defervesce"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["environment"]["TMPDIR"] in [volume.partition(":")[2] for volume in service["volumes"]]


def confined(data: Path, spool: Path) -> list[str]:
    """Return what runs a command with a root file system that is read-only, as a user without rights.

    He may read everything (here the interpreter may stand in somebody's home), and write to two folders alone.
    """
    script = (
        f"mount -t tmpfs -o size=64m,mode=1777 tmpfs {spool} && mount --bind {data} {data} && chown {NOBODY} {data}"
        f" && mount -o remount,bind,ro / && exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups"
        ' --bounding-set -all,+dac_read_search --inh-caps -all,+dac_read_search --ambient-caps +dac_read_search "$@"'
    )
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


def test_it_lives_on_a_read_only_root_as_a_user_without_rights(tmp_path, monkeypatch):
    """What the image's user and `read_only: true` do, really."""
    data, spool = tmp_path / "data", tmp_path / "spool"
    data.mkdir()
    spool.mkdir()
    before = confined(data, spool)
    touched = subprocess.run([*before, "touch", str(tmp_path / "x")], capture_output=True, text=True, check=False)
    if "Read-only file system" not in touched.stderr:
        pytest.skip(f"NO SMALL DISK: a read-only root cannot be made here ({touched.stderr.strip()})")
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: real([*before, *command], **options))
    settings = {
        "TMPDIR": str(spool),
        "HOME": "/nonexistent",
        "MPLCONFIGDIR": str(spool),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    url = f"sqlite:///{data}/cohorts.db"
    told = run(url, "migrate", **settings)
    assert told.returncode == 0, told.stderr
    service = Service(url, tmp_path / "log", **settings)
    try:
        service.start()
        path = service.create([record(1)]).headers["location"]
        many = "".join(json.dumps(record(n, patient_id=f"P{n}")) + "\n" for n in range(20_000))
        assert len(many) > 4_000_000, "nothing is spooled"
        assert service.ask("POST", f"{path}/patients", many, content_type=NDJSON).status == 200
        assert service.ask("GET", "/v1/cohorts/study/figures/lvef.png").status == 200
        assert service.ask("GET", "/v1/cohorts/study/report").status == 200
        status = Path(f"/proc/{service.process.pid}/status").read_text(encoding="ascii")
        assert f"Uid:\t{NOBODY}" in status
    finally:
        service.stop()
    service.assert_sound()
