"""Names that stand twice in an object of JSON: a parser silently takes the last, and the first may be meant."""

from __future__ import annotations

import json
from collections import Counter

from serving.refusal import Fault, Refusal, shown


def check_once(body: bytes, names: int) -> None:
    """Refuses a body that holds a name twice.

    Every name has a colon, so with no more colons than names nothing has to be looked at.

    Args:
        body: JSON that was read already.
        names: that were found in it, in all its objects.

    Raises:
        Refusal: 400 with the first such name.
    """
    if body.count(b":") == names:
        return
    found: list[str | None] = []  # per object, inner ones first

    def look(pairs: list[tuple[str, object]]) -> None:
        counted = Counter(name for name, _ in pairs)
        found.append(next((name for name, count in counted.items() if count > 1), None))

    json.loads(body, object_pairs_hook=look)
    name = next((name for name in found if name is not None), None)
    if name is None:
        return
    message = f"`{shown(name)}` is there twice; send it once"
    fault: Fault = {"field": shown(name), "rule": "twice", "value": "", "message": message}
    of_many = len(found) > 1 and name != "records"
    raise Refusal(400, message, [{"record": found.index(name), **fault} if of_many else fault])
