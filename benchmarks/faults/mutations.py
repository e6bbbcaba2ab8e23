"""Random damage: to bytes, and to values inside dictionaries."""

import math
from random import Random
from typing import Any

SPECIAL = [b"\0", b"\n", b"\r", b"\r\n", b",", b";", b'"', b"-", b".", b"\xef\xbb\xbf", b"\xff", b"1e9", b"\x1b[2J"]
ODD_VALUES: list[Any] = [
    None, True, -1, 0, 7, 10**30, 10**400, 1e308, math.nan, math.inf, "", "x" * 500, "\x1b[2J\n| 0.00 %", "\ud800", [],
    {}, [[None]], {"": ""}, {"_target_": "os.system", "command": "touch canary"}, ["a", 1, {}],
]  # fmt: skip


def damage_bytes(random: Random, content: bytes, most: int = 2) -> bytes:
    """Makes one to `most` changes: half of the files have only one bit changed."""
    data = bytearray(content)
    if random.random() < 0.5 and data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        return bytes(data)
    for _ in range(random.randint(1, most)):
        start = random.randrange(len(data) + 1)
        block = slice(start, start + random.choice([1, 1, 4, 64, 512, 4096]))
        match random.choice(["zero", "noise", "insert", "remove", "repeat", "truncate", "append"]):
            case "zero":
                data[block] = bytes(len(data[block]))
            case "noise":
                data[block] = random.randbytes(len(data[block]))
            case "insert":
                data[start:start] = random.choice(SPECIAL)
            case "remove":
                del data[block]
            case "repeat":
                data[start:start] = data[block]
            case "truncate":
                del data[start:]
            case "append":
                data += random.choice([content, b"\0", b"\n", bytes(1000), random.randbytes(5)])
    return bytes(data)


def change_value(random: Random, value: Any, odd_values: list[Any] = ODD_VALUES) -> Any:
    """Removes, replaces or adds one entry at any depth of nested dictionaries and lists. Changes them in place."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not keys or random.random() < 0.1:
        return random.choice(odd_values)
    key = random.choice(keys)
    match random.choice(["descend", "descend", "remove", "replace", "add"]):
        case "descend" | "replace" as step:
            value[key] = (
                change_value(random, value[key], odd_values) if step == "descend" else random.choice(odd_values)
            )
        case "remove":
            del value[key]
        case "add" if isinstance(value, dict):
            names = ["trainer.callbacks", "_target_", "", "x" * 400, "\x1b[2J\n", "label", "0"]
            value[random.choice(names)] = random.choice(odd_values)
        case "add":
            value.insert(random.randint(0, len(value)), random.choice([*odd_values, value[-1]]))
    return value
