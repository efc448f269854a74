"""What papers and peers print, read from `baselines/claims/`: one CSV a source, and `sources.toml`."""

import csv
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import repro
from repro.errors import UserError

COLUMNS = ("table", "row", "column", "printed", "value", "unit", "locator", "condition", "note")


@dataclass(frozen=True)
class Claim:
    """One printed number. `printed` is the string as it stands in the source, `value` what it says in `unit`."""

    key: str  # source/table/row
    column: str
    printed: str
    value: float
    unit: str
    locator: str
    condition: str
    note: str


Claims = Mapping[tuple[str, str], Claim]  # by key and column


@dataclass(frozen=True)
class Source:
    """Who printed the claims of one CSV, where, and what of it was read."""

    name: str
    citation: str
    address: str
    read: str


def checkout(*parts: str) -> Path:
    """A path in the checkout that this package runs from.

    Raises:
        UserError: the package was installed without its checkout, so there are no claims and no tables.
    """
    root = Path(repro.__file__).parents[1]
    if not (root / "baselines" / "claims").is_dir():
        raise UserError(
            f"{root} is not a checkout of the suite: no baselines/claims there; clone it and `pip install -e .`"
        )
    return root.joinpath(*parts)


def read_sources(folder: Path | str | None = None) -> dict[str, Source]:
    """`sources.toml` of a folder of claims (default: the checkout's), by name.

    Raises:
        UserError: the file is missing, not TOML, or an entry lacks a field.
    """
    path = _folder(folder) / "sources.toml"
    names = [field.name for field in fields(Source)][1:]
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: Source(name, *(str(entry[field]) for field in names)) for name, entry in data.items()}
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not TOML: {error}") from error
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: every source needs {', '.join(names)}; missing {error}") from error


def read_claims(folder: Path | str | None = None) -> dict[tuple[str, str], Claim]:
    """All claims of a folder (default: the checkout's) by (key, column), in the order of the files.

    Raises:
        UserError: no CSV, a column missing, a value that is not a finite number, a claim twice, a source that
            `sources.toml` does not name.
    """
    folder = _folder(folder)
    sources = read_sources(folder)
    paths = sorted(folder.glob("*.csv"))
    if not paths:
        raise UserError(f"no claims in {folder}; restore baselines/claims from the repository")
    claims: dict[tuple[str, str], Claim] = {}
    for path in paths:
        if path.stem not in sources:
            raise UserError(f"{path}: sources.toml does not say what {path.stem} is; add its citation and address")
        for claim, line in _read(path):
            if (claim.key, claim.column) in claims:
                raise UserError(f"{path}, line {line}: {claim.column} of {claim.key} stands twice; keep one")
            claims[claim.key, claim.column] = claim
    return claims


def lookup(claims: Claims, table: str, key: str, column: str = "mean_iu") -> Claim:
    """The claim that the table of this name shows.

    Raises:
        UserError: it is not among the claims.
    """
    if (key, column) not in claims:
        raise UserError(f"the table {table} shows {column} of {key}, which no CSV of claims holds")
    return claims[key, column]


def _folder(folder: Path | str | None) -> Path:
    return checkout("baselines", "claims") if folder is None else Path(folder)


def _read(path: Path) -> list[tuple[Claim, int]]:
    claims = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise UserError(f"{path}: the columns are {reader.fieldnames}, not {list(COLUMNS)}")
            for row in reader:
                try:
                    value = float(row["value"])
                except (TypeError, ValueError):
                    value = math.nan
                if None in row or None in row.values() or not row["printed"] or not math.isfinite(value):
                    raise UserError(f"{path}, line {reader.line_num}: a cell is missing or `value` is not a number")
                key = f"{path.stem}/{row['table']}/{row['row']}"
                rest = {name: row[name] for name in COLUMNS[2:] if name != "value"}
                claims.append((Claim(key=key, value=value, **rest), reader.line_num))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return claims
