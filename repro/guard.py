"""Refuses to train on images that are scored, and on lists that are not the published ones."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from mmengine.config import Config
from mmseg.registry import DATASETS

from repro.data.listed import ListedDataset
from repro.data.prepared import is_published
from repro.data.splits import check_disjoint, check_split, content_sha256, name_some, read_ids
from repro.errors import UserError
from repro.files import sha256


def check_training_set(config: Config, own_folder: bool) -> str:
    """Hash the files that a stage trains on, after making sure that none of its images is validated on.

    Args:
        own_folder: whether the dataset lies in the suite's own folder. A published dataset there has the published
            lists; a folder that the user names may hold any.

    Raises:
        UserError: an unusable dataset; one that shares images with the validation split, by their ids or by their
            content; or a published dataset whose lists are not the published ones.
    """
    trained = DATASETS.build(config.train_dataloader.dataset)
    if own_folder:
        check_published(trained)
    items, digest_of = trained.items(), cache(sha256)  # an image may be hashed for its twin and for the content
    if config.get("val_dataloader"):
        validated = DATASETS.build({**config.val_dataloader.dataset, "lazy_init": True})
        if own_folder:
            check_published(validated)
        check_disjoint((item["img_id"] for item in items), read_ids(validated.ann_file))
        _refuse_same_images(items, validated.load_data_list(), digest_of)
    return content_sha256(items, digest_of)


def check_published(dataset: ListedDataset) -> None:
    """Make sure that the list of a published dataset is the published one.

    Raises:
        UserError: it has another number of ids, or other ids.
    """
    path = Path(dataset.ann_file)
    known = dataset.SPLITS.get(path.stem)
    if known and is_published(Path(dataset.data_root)):
        check_split(str(path), read_ids(path), known)


def is_genuine(config: Config) -> bool:
    """Whether the data that a config trains on and is scored on is what the dataset's name says."""
    loaders = [config[name] for name in ("train_dataloader", "test_dataloader") if config.get(name)]
    return all(is_published(Path(loader.dataset.data_root)) for loader in loaders)


def _refuse_same_images(trained: Iterable[dict], validated: Iterable[dict], digest_of: Callable[[str], str]) -> None:
    """Two ids may stand for one photograph."""
    known = {digest_of(item["img_path"]): item["img_id"] for item in trained}
    twins = [
        f"{item['img_id']} is {known[digest]}" for item in validated if (digest := digest_of(item["img_path"])) in known
    ]
    if twins:
        raise UserError(
            f"{len(twins)} validation images are trained on under other ids: {name_some(twins)}; "
            "take them out of the training list"
        )
