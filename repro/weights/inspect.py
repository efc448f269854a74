"""What a weights file holds, printed: its tensors with their hashes, and where they come from."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from repro.experiments import data_folder
from repro.files import sha256
from repro.weights import store
from repro.weights.caffe import read_caffemodel

SHORT = 12  # digits of a hash


def show(path: Path, work_dirs: Path = Path("work_dirs")) -> None:
    """Print every tensor or blob of a weights file, then the file's facts and the weights that it goes back to.

    Parents are looked for by their digest, in `work_dirs` and the data folder.

    Raises:
        UserError: no such file, or no weights in it.
    """
    console = Console(width=None if Console().is_terminal else 200, highlight=False, markup=False)
    if path.suffix == ".caffemodel":
        table = Table("layer", "type", "blobs", "sha256", box=None, pad_edge=False)
        for layer in read_caffemodel(path).values():
            hashes = (hashlib.sha256(blob.data).hexdigest()[:SHORT] for blob in layer.blobs)
            table.add_row(layer.name, layer.type, " ".join(str(blob.shape) for blob in layer.blobs), " ".join(hashes))
        console.print(table)
        print(f"\nfile sha256  {sha256(path)}")
        return
    weights = store.load(path)
    table = Table("tensor", "shape", "type", "sha256", box=None, pad_edge=False)
    for name, tensor in weights.tensors.items():
        kind = str(tensor.dtype).removeprefix("torch.")
        table.add_row(name, str(tuple(tensor.shape)), kind, store.Weights({name: tensor}).sha256[:SHORT])
    console.print(table)
    facts = {
        "sha256": weights.sha256,
        "file sha256": sha256(path),
        "parameters": f"{sum(tensor.numel() for tensor in weights.tensors.values()):,}",
        "experiment": weights.experiment or "none",
        "faithful": "yes" if weights.faithful else "no",
        "source": weights.source,
        "licence": weights.licence,
    }
    print("", *(f"{name:12} {fact}" for name, fact in facts.items() if fact), sep="\n")
    print(*ancestors(weights.parent_sha256, [data_folder() / "weights", work_dirs]), sep="\n")


def ancestors(digests: str | None, folders: list[Path]) -> Iterator[str]:
    """A line for each parent, and below it, further in, for its own parents, as far as their files are found."""
    found: dict[str | None, tuple[Path, dict[str, Any]]] = {}
    for path in (path for folder in folders for path in sorted(folder.rglob("*.pth")) if digests):
        facts = store.read_facts(path)
        found.setdefault(facts.get("sha256"), (path, facts))

    def lines(digests: str | None, above: tuple[str, ...]) -> Iterator[str]:
        for digest in digests.split("+") if digests else ():
            path, facts = found.get(digest, (None, {}))
            whose = f"{facts.get('experiment')}, {path}" if path else "not found here"
            yield f"{'  ' * len(above) + 'parent':12} {digest} ({whose})"
            if digest not in above:  # lest a file that names itself go on for ever
                yield from lines(facts.get("parent_sha256"), (*above, digest))

    return lines(digests, ())
