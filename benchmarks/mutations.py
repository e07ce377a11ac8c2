"""Requests that nobody should send: real bodies, bent in many ways."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

Body = tuple[str, str, bytes]  # kind, path, body

EVIL: tuple[object, ...] = (
    *(None, True, False, [], {}, "", "0", "NaN", -0.0, 1e308, -1e308, 5e-324, 2**63, -(2**63), 10**30),
    *(
        "x" * 10_000,
        "\x00",
        "\ud7ff\uffff",
        "é" * 50,
        "../../etc/passwd",
        "'; drop table",
        "{{7*7}}",
        "${jndi:ldap://x}",
    ),
    *([[]] * 3, {"": {"": {}}}, [1] * 100, {"__proto__": 1}, {"$ref": "#"}, "http://127.0.0.1/", "=1+1", "\u202e"),
)
RAW = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"0x10",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"--1",
    b"1e",
    b"'a'",
    b"undefined",
)


def wrong_value(record: dict[str, object], draw: random.Random) -> bytes:
    """One field holds something else."""
    return json.dumps(record | {draw.choice(list(record)): draw.choice(EVIL)}).encode()


def wrong_name(record: dict[str, object], draw: random.Random) -> bytes:
    """One field has another name, is there twice, or is gone."""
    name = draw.choice(list(record))
    bent = draw.choice((name.upper(), name + " ", name[::-1], name + "\x00", "x" * 5_000, "__class__"))
    rest = {key: value for key, value in record.items() if key != name or draw.random() < 0.5}
    return json.dumps(rest | {bent: record[name]}).encode()


def raw_number(record: dict[str, object], draw: random.Random) -> bytes:
    """One number is written as JSON does not allow, or as no float can hold."""
    text = json.dumps(record | {draw.choice(list(record)): "@here@"}).encode()
    huge = b"1" + b"0" * draw.randrange(1, 5_000)
    return text.replace(b'"@here@"', draw.choice((*RAW, huge, b"-" + huge, b"0." + huge)))


def cut(record: dict[str, object], draw: random.Random) -> bytes:
    """The body ends too early, or goes on."""
    text = json.dumps(record).encode()
    place = draw.randrange(len(text))
    return draw.choice((text[:place], text + text[place:], text[place:], text + b"\x00" * place))


def flipped(record: dict[str, object], draw: random.Random) -> bytes:
    """Some bytes are others."""
    text = bytearray(json.dumps(record).encode())
    for _ in range(draw.randrange(1, 20)):
        text[draw.randrange(len(text))] = draw.randrange(256)
    return bytes(text)


def deep(record: dict[str, object], draw: random.Random) -> bytes:
    """Lists and objects in each other, thousands deep."""
    depth = draw.randrange(1, 20_000)
    name = json.dumps(draw.choice(list(record))).encode()
    opened, closed = draw.choice(((b"[", b"]"), (b'{"a":', b"}")))
    inner = opened * depth + b"1" + (closed * depth if draw.random() < 0.5 else b"")
    return draw.choice((inner, b"{" + name + b":" + inner + b"}"))


def other(record: dict[str, object], draw: random.Random) -> bytes:
    """JSON, but no record."""
    return json.dumps(draw.choice((draw.choice(EVIL), [record], {"record": record}, [draw.choice(EVIL)] * 5))).encode()


def encoded(record: dict[str, object], draw: random.Random) -> bytes:
    """The same in another encoding, or no text at all."""
    text = json.dumps(record)
    words = draw.choice(("utf-16", "utf-32", "utf-8-sig", "latin-1"))
    return draw.choice((text.encode(words), draw.randbytes(draw.randrange(2_000)), text.encode() + b"\xc3\x28"))


KINDS: tuple[Callable[[dict[str, object], random.Random], bytes], ...] = (
    *(wrong_value, wrong_name, raw_number, cut, flipped, deep, other, encoded),
)


def mutated(records: list[dict[str, object]], count: int, seed: int = 0) -> Iterator[Body]:
    """That many bodies, every kind as often as the others; a quarter of them as a list of records."""
    draw = random.Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        body = kind(draw.choice(records), draw)
        if draw.random() < 0.25:
            yield kind.__name__, "/v1/predict_many", b'{"records": [' + body + b"]}"
        else:
            yield kind.__name__, "/v1/predict", body
