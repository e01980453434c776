"""The vendored assets are what their manifest says, byte for byte."""

from __future__ import annotations

import hashlib
import re

from app.api.pages import STATIC

MANIFEST = (STATIC / "VENDORED.md").read_text(encoding="utf-8")
HASHES = dict(re.findall(r"^\| (\S+) \| \S+ \| ([0-9a-f]{64}) \|$", MANIFEST, re.MULTILINE))
OURS = {"VENDORED.md", "favicon.svg", "index.html", "pages.css", "redoc.html", "redoc.js", "swagger.html", "swagger.js"}
LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_every_file_is_ours_or_in_the_manifest_with_its_hash():
    assert {path.name for path in STATIC.iterdir()} == OURS | set(HASHES)
    assert {name: sha256((STATIC / name).read_bytes()) for name in HASHES} == HASHES


def test_the_one_change_to_redoc_is_the_one_described():
    changed = (STATIC / "redoc.standalone.js").read_bytes()
    published = re.search(r"published sha256 `([0-9a-f]{64})`", MANIFEST)
    assert published is not None
    assert LOGO not in changed
    assert sha256(changed.replace(b'src:"data:,"', b'src:"' + LOGO + b'"')) == published[1]


def test_our_own_files_name_no_other_host():
    for name in OURS - {"VENDORED.md"}:
        text = (STATIC / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.", text), name
        assert "<script>" not in text, "an inline script would need a hole in the content security policy"
        assert "style=" not in text
