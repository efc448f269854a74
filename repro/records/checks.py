"""Checks of single values in parsed JSON: each returns the value, or refuses it by file and field."""

import contextlib
import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.errors import UserError

DIGEST, WORD, PATH = "[0-9a-f]{64}", "[A-Za-z0-9_-]+", r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*"


class Check:
    """Checks of single values. Each returns the value, or refuses it, naming the file and the field."""

    def __init__(self, where: str) -> None:
        self.where = where

    def refuse(self, what: str) -> UserError:
        return UserError(f"{self.where}: {what}")

    def kind(self, value: Any, kind: type | tuple[type, ...], what: str) -> Any:
        if not isinstance(value, kind) or isinstance(value, bool):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            raise self.refuse(f"{what} is {type(value).__name__}, not {' or '.join(k.__name__ for k in kinds)}")
        return value

    def keys(
        self, value: Any, names: Iterable[str], what: str, *, optional: Iterable[str] = (), more: bool = False
    ) -> dict[str, Any]:
        self.kind(value, dict, what)
        for name in names:
            if name not in value:
                raise self.refuse(f"the field {what}.{name} is missing".replace("record.", ""))
        unknown = sorted(set(value) - {*names, *optional})
        if unknown and not more:
            raise self.refuse(f"unknown field {what}.{unknown[0]}".replace("record.", ""))
        return value

    def text(self, value: Any, pattern: str, what: str) -> str:
        if not re.fullmatch(pattern, self.kind(value, str, what)):
            raise self.refuse(f"{what} {value!r} is not of the form {pattern}")
        return value

    def finite(self, value: Any, what: str) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise self.refuse(f"{what} is not a finite number")
        items: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, dict):
            items = value.items()
        elif isinstance(value, list):
            items = enumerate(value)
        for key, item in items:
            self.finite(item, f"{what}.{key}".removeprefix("."))

    def matrix(self, rows: Any, size: int, what: str) -> NDArray[np.int64]:
        lists = isinstance(rows, list) and len(rows) == size and all(isinstance(row, list) for row in rows)
        square = lists and all(len(row) == size for row in rows)
        if not square or not all(type(n) is int and n >= 0 for row in rows for n in row):
            raise self.refuse(f"{what} is not {size} x {size} non-negative integers, one row a class")
        with contextlib.suppress(OverflowError):
            return np.array(rows, dtype=np.int64).reshape(size, size)
        raise self.refuse(f"{what} holds a count beyond 64 bits")
