"""What all datasets of the suite share: a list of ids, and for each kind of file a folder and a suffix."""

import os
from pathlib import Path
from typing import Any, ClassVar

from repro.data.splits import Split, name_some, read_ids
from repro.errors import UserError
from repro.stack import BaseSegDataset

WHAT = {
    "img_path": "image",
    "seg_map_path": "label",
    "geo_map_path": "geometric label",
    "depth_path": "depth map",
    "hha_path": "HHA image",
}


class ListedDataset(BaseSegDataset):
    """A folder of images and labels as mmseg dataset.

    Every item carries `img_id` and, for each entry of `data_prefix`, the path of its file: mmseg's `img_path` and
    `seg_map_path`, and `depth_path`, `hha_path` or `geo_map_path` where a dataset has them.

    Args:
        ann_file: the list, one id a line.
        data_prefix: folder of each kind of file, over `FOLDERS`; None leaves a kind out.
        suffixes: suffix of each kind of file, over `SUFFIXES`.
        cache: keep every item in memory once it is read, in each of the loader's processes; for datasets that fit.
        others: mmseg's.

    Raises:
        UserError: the folder or the list is missing, the list is empty or names an id twice, or a file of the list is
            missing (all are looked up at once, the first ten are named).
    """

    FOLDERS: ClassVar[dict[str, str]]
    SUFFIXES: ClassVar[dict[str, str]]
    LISTS: ClassVar[Path]  # folder of the lists in a prepared root
    SPLITS: ClassVar[dict[str, Split]]  # what is known of the real data's lists, by their names
    HELD_OUT: ClassVar[dict[str, tuple[str, ...]]] = {}  # by a training list, the lists that are scored after it
    CHECKED: ClassVar[dict[str, dict]] = {}  # arguments that `repro data check` reads a list with, where it needs any

    def __init__(
        self,
        ann_file: str,
        data_prefix: dict[str, str | None] | None = None,
        suffixes: dict[str, str] | None = None,
        cache: bool = False,
        **kwargs: Any,
    ) -> None:
        prefix = self.FOLDERS | (data_prefix or {})
        self.suffixes = self.SUFFIXES | (suffixes or {})
        self.cached: dict[int, dict[str, Any]] | None = {} if cache else None
        kinds = {kind: folder for kind, folder in prefix.items() if folder is not None}
        super().__init__(ann_file, data_prefix=kinds, **kwargs)

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """(H, W) of the images of a dataset that is published in frames of several sizes; None for all others."""
        return None

    def paths(self, image_id: str) -> dict[str, str]:
        """The path of each kind of file of an image, whether it is there or not."""
        return {
            kind: os.path.join(folder, image_id + self.suffixes[kind])  # noqa: PTH118
            for kind, folder in self.data_prefix.items()
        }

    def items(self) -> list[dict]:
        """What is known of every item without reading its files."""
        return [self.get_data_info(index) for index in range(len(self))]

    def load_data_list(self) -> list[dict]:
        """One item an id, in the list's order."""
        if self.data_root and not Path(self.data_root).is_dir():
            raise UserError(
                f"the folder {self.data_root} is missing; run `repro prepare {Path(self.data_root).name}`, or name "
                "another with --data"
            )
        shared = {"label_map": self.label_map, "reduce_zero_label": self.reduce_zero_label}
        ids = read_ids(self.ann_file)
        items = [{"img_id": image_id, "seg_fields": [], **shared, **self.paths(image_id)} for image_id in ids]
        for kind in self.data_prefix:
            missing = [item for item in items if not Path(item[kind]).is_file()]
            if missing:
                raise UserError(
                    f"{Path(missing[0][kind]).parent} lacks the {WHAT[kind]} of {len(missing)} ids of {self.ann_file}: "
                    f"{name_some(item['img_id'] for item in missing)}; prepare the dataset again, or shorten the list"
                )
        return items

    def prepare_data(self, idx: int) -> Any:
        """An item through the pipeline. A cached one shares its tensors, which nothing downstream writes to."""
        if self.cached is None:
            return super().prepare_data(idx)
        if idx not in self.cached:
            self.cached[idx] = super().prepare_data(idx)
        item = self.cached[idx]
        return {"inputs": item["inputs"], "data_samples": item["data_samples"].clone()}
