"""The settings of the service: the options of `lockgate serve`, read once and never changed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from lockgate.config.credentials import without_credentials
from lockgate.config.errors import InputError
from lockgate.service.api.bearer_token import BearerTokens, read_tokens
from lockgate.service.log import Level, LogFormat

UnseenCategories = Literal["refuse", "missing"]

MAX_BATCH_ROWS = 1_000
MAX_IDENTIFIER = 128  # characters


@dataclass(frozen=True)
class Settings:
    """Every option of the command, with its default. Times are in seconds."""

    bundle: Path = Path("models")
    app: str | None = None  # MODULE:NAME of a team's own application around the service's
    verdict: Path | None = None  # None: gate.json in the bundle, else reports/gate.json
    allow_ungated: bool = False
    require_signed: bool = False
    shadow: Path | None = None  # the bundle of a challenger
    verify_key: str | None = None  # public keys in PEM, or the path of them; where given, the verdict has to be signed
    host: str = "127.0.0.1"
    port: int = 8000
    admin_host: str = "127.0.0.1"
    admin_port: int | None = None  # None: there is no admin port
    public_metrics: bool = True  # on the main port, too
    token_file: Path | None = None
    # Those of `token_file` or LOCKGATE_TOKEN; None: requests need none.
    tokens: BearerTokens | None = field(default=None, repr=False)
    workers: int = 1
    fast_path: bool = True
    hang_seconds: float = 10.0
    reload_seconds: float = 60.0
    unseen_categories: UnseenCategories = "refuse"
    drift: str | None = None  # a path or an http(s) URL
    drift_seconds: float = 60.0
    decision_log: Path | None = None
    log_rows: int = 20_000
    log_seconds: float = 60.0
    max_wait: float = 0.25
    target_wait: float = 0.005
    max_body_bytes: int | None = None  # None: what 1,000 rows of this schema can need
    request_seconds: float = 8.0
    keep_alive_seconds: float = 65.0
    drain_seconds: float = 5.0
    grace_seconds: float = 20.0
    log_format: LogFormat = "auto"
    log_level: Level = "info"
    access_log: bool = False

    def __post_init__(self) -> None:
        if self.allow_ungated and (self.require_signed or self.verify_key is not None):
            raise InputError("--allow-ungated contradicts --require-signed and --verify-key; keep one")
        if self.require_signed and not self.verify_key:
            raise InputError(
                "--require-signed needs the public keys that are trusted; give --verify-key or LOCKGATE_VERIFY_KEY"
            )

        if not self.public_metrics and self.admin_port is None:
            raise InputError("--no-public-metrics leaves /metrics nowhere; give an --admin-port")

    def changed(self) -> list[str]:
        """The options that differ from their defaults, as `--workers=2`, without what may be secret.

        Of a field that is left out of `repr` only that it is set is shown.
        """
        found = []
        for one in fields(self):
            value = getattr(self, one.name)
            if value != one.default:
                shown = f"={without_credentials(str(value))}" if one.repr else "=***"
                found.append(f"--{one.name.replace('_', '-')}{'' if value is True else shown}")
        return found


def settings_of_environment() -> Settings:
    """The defaults, and what must hold behind every server: whether the verdict has to be signed, and the bearer tokens.

    Any LOCKGATE_REQUIRE_SIGNED but what plainly says no is yes.
    """
    stated = os.environ.get("LOCKGATE_REQUIRE_SIGNED", "").strip().lower()
    token_file = Path(stated_file) if (stated_file := os.environ.get("LOCKGATE_TOKEN_FILE")) else None
    return Settings(
        token_file=token_file,
        tokens=read_tokens(token_file),
        require_signed=stated not in ("", "0", "false", "f", "no", "n", "off"),
        verify_key=os.environ.get("LOCKGATE_VERIFY_KEY") or None,
    )
