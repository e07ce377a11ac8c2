"""API keys of the service: a file of names and sha256, never the keys themselves.

A key is 256 random bits, so that one round of sha256 keeps it: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from ssgan.errors import UserError
from ssgan.records import write_atomically

Keys = Mapping[str, str]  # name -> sha256 of the key, in hexadecimal

_NAME = "[A-Za-z0-9._-]{1,40}"
_LINE = re.compile(rf"({_NAME})[ :]+([0-9a-f]{{64}})")


def make_key(path: Path, name: str) -> str:
    """Adds a new key to a file, readable by its owner alone.

    Returns:
        The key; it is stored nowhere.

    Raises:
        UserError: if the name is taken or no name, or the file holds something else.
    """
    if not re.fullmatch(_NAME, name):
        raise UserError(
            f"a key's name must be 1 to 40 letters, digits, `.`, `_` or `-`; it is {name!r}: choose another"
        )
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if name in parse_keys(before):
        raise UserError(
            f"there is a key named {name!r} already; take its line out of {path.name}, or choose another name"
        )
    key = secrets.token_urlsafe(32)
    lines = [*before.splitlines(), f"{name} {sha256_of(key.encode())}"]  # comments stay
    text = "".join(f"{line}\n" for line in lines)
    mask = os.umask(0o077)
    try:
        write_atomically(path, text)
    finally:
        os.umask(mask)
    return key


def read_keys(path: Path) -> Keys:
    """The keys of a file.

    Raises:
        UserError: if it is not there, cannot be read, or holds something else.
    """
    try:
        return parse_keys(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is not there, and serve.keys names it; `ssgan key NAME` makes it with a key") from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UserError(f"{path}, which serve.keys names, cannot be read ({why}); mend it or its permissions") from None


def parse_keys(text: str) -> Keys:
    """Names and hashes, one pair per line (or between commas); `#` begins a comment.

    Raises:
        UserError: naming the line.
    """
    keys: dict[str, str] = {}
    for number, line in enumerate(text.replace(",", "\n").splitlines(), 1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        match = _LINE.fullmatch(words)
        if match is None:
            raise UserError(
                f"line {number} of the keys must be a name and a sha256 of 64 digits; `ssgan key` writes such"
            )
        keys[match[1]] = match[2]
    return keys


def sha256_of(key: bytes) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key).hexdigest()


def owner_of(key: bytes, keys: Keys) -> str | None:
    """The name of a key, or None; compares with every hash, each in constant time."""
    digest = sha256_of(key)
    found = [name for name, each in keys.items() if hmac.compare_digest(each, digest)]
    return found[0] if found else None
