"""The demo's generated secrets: made once, readable by their owner only, used again by the next run."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What this copy of the demo made up for itself."""

    secret_key: str
    admin_name: str
    admin_password: str

    @classmethod
    def load(cls, path: Path) -> Self:
        """Those in the file; new ones, written there, where it is missing or not ours to read."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):  # TypeError: other names in it than ours
            path.unlink(missing_ok=True)
        made = cls(secrets.token_urlsafe(48), "admin", secrets.token_urlsafe(9))
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(made), file, indent=2)
        return made
