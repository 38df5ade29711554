"""One typed configuration: ``onedoor.toml`` in the data folder, then the environment (``ONEDOOR_PORT=8080``).

Secrets never stand here: each is a file named after it in the folder ``secrets`` (mode 0600), or a systemd credential.
"""

import os
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from contracts.errors import OnedoorError
from hub.suites import SUITES, Suite


class SettingsRefused(OnedoorError):
    """The settings cannot be used; the text names every wrong key."""


class Clock(BaseModel):
    """The civil clock. ``start`` (with offset) and ``speed`` are for demos and tests: seconds pass ``speed`` times as fast."""

    model_config = ConfigDict(extra="forbid")
    start: datetime | None = None
    speed: float = 1.0


class Retry(BaseModel):
    """Backoff between tries, in seconds of the civil clock."""

    model_config = ConfigDict(extra="forbid")
    first_seconds: float = 5.0
    cap_seconds: float = 3600.0


class SignIn(BaseModel):
    """How people sign in. ``second_factor``: whom a one-time code is demanded of (``privileged``: all but the two kinds of clerks).

    ``loopback_http``: cookies without ``Secure``, for a demo on this machine; refused unless the hub listens on loopback only.
    ``proxies``: how many reverse proxies of ours stand in front and add to X-Forwarded-For.
    """

    model_config = ConfigDict(extra="forbid")
    idle_minutes: int = 30
    longest_hours: int = 12
    sessions: int = 3
    second_factor: Literal["optional", "privileged", "everybody"] = "privileged"
    loopback_http: bool = False
    proxies: int = 0


class Oidc(BaseModel):
    """The city's identity provider (the ``oidc`` extra). ``name`` stands on the button."""

    model_config = ConfigDict(extra="forbid")
    issuer: str
    client_id: str
    name: str


class Settings(BaseSettings):
    """Every key of ``onedoor.toml``. ``systems`` holds, by system and situation, the addresses of this place."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_", env_nested_delimiter="__", extra="forbid", frozen=True)
    data: Path = Path("data")
    site: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = None
    master_key: Path | None = None
    secrets: Path | None = None
    allow_demo_keys: bool = False
    cipher_suite: Literal["aes-sha256", "sm4-sm3"] = "aes-sha256"
    seal_seconds: float = 10.0
    anchor: Path | None = None
    anchor_command: tuple[str, ...] = ()
    journal_days: int = Field(default=365, ge=180)
    clock: Clock = Clock()
    retry: Retry = Retry()
    sign_in: SignIn = SignIn()
    oidc: Oidc | None = None
    max_body_bytes: int = 1_048_576
    max_material_bytes: int = 20_971_520
    max_scan_bytes: int = 104_857_600
    scan_folder: Path | None = None
    max_waiting: int = 2_000
    drain_seconds: float = 10.0
    lease_seconds: float = 120.0
    look_seconds: float = 5.0
    blocked_seconds: float = 60.0
    archive_after_days: int = 30
    correction_days: int = 30
    breaker_failures: int = 5
    breaker_seconds: float = 30.0
    integrity_hours: float = 24.0
    systems: Mapping[str, Mapping[str, Mapping[str, JsonValue]]] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which arrives as init values."""
        return env_settings, init_settings

    @property
    def key_file(self) -> Path:
        """The master key: a systemd credential where there is one, else the named file, else beside the data folder."""
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if credentials and (Path(credentials) / "onedoor-master-key").exists():
            return Path(credentials) / "onedoor-master-key"
        return self.master_key or self.data.parent / "keys" / "master.key"

    @property
    def suite(self) -> Suite:
        """The algorithms of a new database; an old one must have been made with the same."""
        return SUITES[self.cipher_suite]

    @property
    def anchor_file(self) -> Path:
        """Where heads of the journal are noted: the named file, else one beside the data folder."""
        return self.anchor or self.data.parent / "anchor" / "journal-heads.jsonl"

    @property
    def secret_folder(self) -> Path:
        """Where secrets of departments lie, one file each."""
        return self.secrets or self.data.parent / "keys" / "secrets"


def load_settings(file: Path | None, **overrides: Any) -> Settings:
    """Read the file (TOML), the overrides and the environment. Raises SettingsRefused naming every wrong key."""
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsRefused(f"the settings file {file} cannot be read: {error.strerror}") from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsRefused(f"the settings file {file} is not TOML: {error}") from error
    try:
        return Settings(**{**values, **overrides})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise SettingsRefused(f"settings: {wrong}") from error
