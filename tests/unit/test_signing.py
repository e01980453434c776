"""Keys as they are written down, signatures against RFC 8032, key ids against RFC 8037."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.security.receipts.key_text import private_bytes
from app.security.receipts.signing import Signer, decoded, encoded, is_signed, key_id_of, public_keys
from app.settings import SettingsError, load_settings

# RFC 8032, section 7.1, test 3; RFC 8037, appendix A.
PRIVATE = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
PUBLIC = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
SIGNATURE = (
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc0"
    "27beceea1ec40a"
)
JWK = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
PEM = Ed25519PrivateKey.from_private_bytes(PRIVATE).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_the_signature_of_the_rfc():
    signer = Signer(PRIVATE)
    assert decoded(signer.public).hex() == PUBLIC
    assert decoded(signer.sign(b"\xaf\x82")).hex() == SIGNATURE
    assert is_signed(b"\xaf\x82", encoded(bytes.fromhex(SIGNATURE)), signer.public)


def test_the_thumbprint_of_the_rfc():
    assert key_id_of(JWK) == THUMBPRINT


@pytest.mark.parametrize(
    ("message", "signature", "public"),
    [
        (b"other", None, None),
        (None, "AAAA", None),
        (None, "*", None),
        (None, None, JWK),
        (None, None, "AAAA"),
        (None, None, "*"),
    ],
)
def test_what_is_not_signed(message, signature, public):
    signer = Signer(PRIVATE)
    assert not is_signed(message or b"this", signature or signer.sign(b"this"), public or signer.public)


@pytest.mark.parametrize(
    "text",
    [
        PEM.decode(),
        base64.b64encode(PRIVATE).decode(),
        base64.urlsafe_b64encode(PRIVATE).decode().rstrip("="),
        f"  {base64.b64encode(PRIVATE).decode()}\n",
    ],
)
def test_a_private_key(text):
    assert private_bytes(text) == PRIVATE


EC = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "text", ["", "secret", EC, base64.b64encode(PRIVATE[:31]).decode(), base64.b64encode(bytes(32)).decode(), "é" * 43]
)
def test_no_private_key_and_it_is_not_repeated(text):
    with pytest.raises(ValueError, match="must be an Ed25519 private key") as caught:
        private_bytes(text)
    assert not text or text not in str(caught.value)


def test_public_keys_as_files():
    public = Ed25519PrivateKey.from_private_bytes(PRIVATE).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    raw = encoded(public.public_bytes_raw())
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": raw}
    texts = [pem, raw, json.dumps(jwk), json.dumps({"keys": [jwk, {"kty": "EC", "crv": "P-256", "x": "AA"}]})]
    assert all(public_keys(text) == {key_id_of(raw): raw} for text in texts)


@pytest.mark.parametrize("text", ["", "AAAA", '{"keys": []}', "{", '{"crv": "Ed25519", "x": "AA"}'])
def test_no_public_key(text):
    with pytest.raises(ValueError, match=r"."):
        public_keys(text)


def test_a_public_key_of_another_kind():
    pem = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ValueError, match="another kind"):
        public_keys(pem.decode())


class TestSettings:
    def test_the_key_in_the_environment(self):
        settings = load_settings({"DEFERVESCE_SIGNING_KEY": PEM.decode()})
        assert settings.signing_key_bytes == PRIVATE
        assert "PRIVATE KEY" not in repr(settings)

    def test_the_key_in_a_file(self, tmp_path):
        path = tmp_path / "key.pem"
        path.write_bytes(PEM)
        assert load_settings({"DEFERVESCE_SIGNING_KEY_FILE": str(path)}).signing_key_bytes == PRIVATE

    def test_no_key(self):
        assert load_settings({}).signing_key_bytes is None

    def test_both(self, tmp_path):
        path = tmp_path / "key.pem"
        path.write_bytes(PEM)
        with pytest.raises(SettingsError, match="not both"):
            load_settings({"DEFERVESCE_SIGNING_KEY": PEM.decode(), "DEFERVESCE_SIGNING_KEY_FILE": str(path)})

    @pytest.mark.parametrize("content", [None, b"secret", b"\xff\xfe"])
    def test_a_bad_file(self, tmp_path, content):
        path = tmp_path / "key.pem"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsError, match="DEFERVESCE_SIGNING_KEY_FILE must be") as caught:
            load_settings({"DEFERVESCE_SIGNING_KEY_FILE": str(path)})
        assert "secret" not in str(caught.value)

    def test_a_bad_key(self):
        with pytest.raises(SettingsError, match="DEFERVESCE_SIGNING_KEY must be") as caught:
            load_settings({"DEFERVESCE_SIGNING_KEY": "changeme-1234"})
        assert "changeme" not in str(caught.value)
