"""Secrets are read from where the configuration says, and show themselves nowhere."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest

from daemon.config.types import SecretReference
from daemon.secrets import Secret, SecretError, read_secret

if TYPE_CHECKING:
    from pathlib import Path

PLANTED = "planted-8d1f"


def test_a_secret_shows_itself_only_when_asked_by_name() -> None:
    secret = Secret(PLANTED)
    assert secret.reveal() == PLANTED
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", f"{[secret]}", repr({"key": secret})]
    for text in shown:
        assert PLANTED not in text
    assert secret == Secret(PLANTED)
    assert secret != Secret("other")
    assert secret != PLANTED
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert not hasattr(secret, "__dict__")


def test_the_environment(tmp_path: Path) -> None:
    reference = SecretReference(env="KEELWARD_SECRET")
    assert read_secret(reference, {"KEELWARD_SECRET": f" {PLANTED}\n"}).reveal() == PLANTED
    with pytest.raises(SecretError, match="environment variable KEELWARD_SECRET is not set"):
        read_secret(reference, {})
    with pytest.raises(SecretError, match="is empty"):
        read_secret(reference, {"KEELWARD_SECRET": "  \n"})


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    reference = SecretReference(file=str(path))
    with pytest.raises(SecretError, match="does not exist"):
        read_secret(reference, {})
    path.write_text(f"{PLANTED}\n")
    path.chmod(0o644)
    with pytest.raises(SecretError, match="may be read by every user: chmod 600"):
        read_secret(reference, {})
    path.chmod(0o640)
    assert read_secret(reference, {}).reveal() == PLANTED


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"one\ntwo", "more than one line"),
        (b"", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"x" * 70_000, "larger than"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused_without_showing_it(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SecretError, match=reason) as caught:
        read_secret(SecretReference(file=str(path)), {})
    assert "one" not in str(caught.value).replace("more than one line", "")


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="cannot be read"):
        read_secret(SecretReference(file=str(tmp_path)), {})


def test_a_systemd_credential(tmp_path: Path) -> None:
    reference = SecretReference(credential="api_key")
    (tmp_path / "api_key").write_text(PLANTED)
    assert read_secret(reference, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).reveal() == PLANTED
    with pytest.raises(SecretError, match="CREDENTIALS_DIRECTORY is not set"):
        read_secret(reference, {})
    with pytest.raises(SecretError, match="credential other does not exist"):
        read_secret(SecretReference(credential="other"), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
