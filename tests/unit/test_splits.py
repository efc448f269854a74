"""The published lists as the datasets know them, typed once more: their numbers of ids and their hashes."""

import importlib

import pytest

from repro.data.listed import ListedDataset
from repro.data.splits import Split, check_split
from repro.errors import UserError
from repro.prepare import DATASETS
from repro.report.layouts import SELECTIONS

# of each list: how many ids, and the SHA-256 of the sorted ids, one a line, with a final newline, where it is known
KNOWN: dict[str, dict[str, tuple[int, str | None]]] = {
    "voc2011": {
        "train": (1112, None),
        "val": (1111, None),
        "sbd_train": (8498, None),
        "seg11valid": (736, "4ca991bd72c251fd2485eaa9e29536502ea3800d1b1c17c151fd6a04bcfbc2cc"),
    },
    "nyudv2": {
        "train": (381, "2aa7e4beb40682604d7457b636d20b9210ce55460f24c4f20cb3765bee35f794"),
        "val": (414, "cd278b1232fe5c2347994a9a3c13cd916aa2e72def51b9698993a2e8936797f5"),
        "trainval": (795, "915511f7a52b6a40c7eda6d69c00529b6e76c4ebd59f688f77e21e178c019fc2"),
        "test": (654, "3cabba2c952d83ca4e44e4070771c666a28e41e129d7b3033839c4f9a808b426"),
    },
    "siftflow": {
        "trainval": (2486, "587d2b5f510e869c83c048f491db37aa63118f116594ce5b45addfc93b66524b"),
        "test": (200, "05cef92d019f81ce4b80a227bd68421248bf507b305e4ccb16432bf7bbab362e"),
    },
    "pascal_context": {"train": (4998, None), "val": (5105, None)},
    "camvid": {
        "train": (367, "0f2b2149e1c9f0df5c4740d2532d6418b8163c47bd2994f198fc05a8a2108507"),
        "val": (101, "f80b1b93a53eb17ca8cdd58b5d6e8b0301f1efe0e3a17a7f63454d8c6473150d"),
        "test": (233, "6bb0c1951e12b4b5b5a9c6bc2dd6afe2730b6efb7b70395fb859cd3ea2eef702"),
    },
}
PUBLISHED = [rule for rule in SELECTIONS.values() if rule.clean]  # all but those of drawn images


def splits(dataset: str) -> dict[str, Split]:
    return importlib.import_module(f"repro.data.{dataset}").DATASET.SPLITS


def test_every_dataset_is_here():
    assert set(KNOWN) == set(DATASETS)
    datasets = {importlib.import_module(f"repro.data.{name}").DATASET for name in DATASETS}
    assert datasets == {cls for cls in ListedDataset.__subclasses__() if cls.__module__.startswith("repro.")}


@pytest.mark.parametrize("dataset", KNOWN)
def test_counts_and_hashes_are_the_published_ones(dataset):
    assert splits(dataset) == {name: Split(*known) for name, known in KNOWN[dataset].items()}
    for name, known in splits(dataset).items():
        with pytest.raises(UserError, match=f"the list {name} has 2 ids, the published one {known.images};"):
            check_split(name, ["a", "b"], known)
        if known.sha256:
            with pytest.raises(UserError, match=f"does not hold the {known.images} published ids"):
                check_split(name, [f"{number}" for number in range(known.images)], known)


@pytest.mark.parametrize("rule", PUBLISHED, ids=lambda rule: rule.name)
def test_the_tables_take_records_of_the_datasets_own_lists(rule):
    """They are typed twice, because the report may not import the datasets."""
    assert rule.split is not None
    assert Split(rule.images or 0, rule.ids_sha256) == splits(rule.dataset)[rule.split]
    assert f"all {rule.images} images" in rule.text and ("by their hash" in rule.text) == (rule.ids_sha256 is not None)


def test_every_dataset_has_a_rule_in_the_tables():
    assert {rule.dataset for rule in PUBLISHED} == set(DATASETS)
