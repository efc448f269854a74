"""Named rules for the records that a table takes."""

from dataclasses import dataclass
from typing import Any

from repro.records import AnyRecord, Bounds, Record


@dataclass(frozen=True)
class Selection:
    """A named rule for the records that a table takes. None leaves a property open."""

    name: str
    text: str
    dataset: str
    split: str | None = None
    images: int | None = None
    ids_sha256: str | None = None
    clean: bool = False

    def refuses(self, record: Record | Bounds) -> str | None:
        """Why the rule leaves a record out, in a few words; None when it takes it."""
        found = record.dataset
        if found.name != self.dataset:
            return f"dataset {found.name}"
        if self.split is not None and found.split != self.split:
            return f"split {found.split}"
        if self.images is not None and found.images != self.images:
            return f"{found.images} images instead of {self.images}"
        if self.ids_sha256 is not None and found.ids_sha256 != self.ids_sha256:
            return "another list of images"
        for what, where in trees(record).items():
            if self.clean and where.get("dirty") is not False:
                return f"{what} from a dirty tree" if where.get("dirty") else f"{what} from an unknown commit"
        return None


def age(record: AnyRecord) -> tuple[str, str]:
    """Sorts records from the oldest to the newest; by id where that does not tell."""
    return record.provenance["time"], record.id


def trees(record: AnyRecord) -> dict[str, dict[str, Any]]:
    """Where a record was made, each of which is to be a clean tree: scoring, and training unless others did it."""
    if not isinstance(record, Record):
        return {"measured": record.provenance}
    scored = {"scored": record.provenance}
    return scored if is_released(record) else scored | {"trained": record.training.get("provenance", {})}


def is_released(record: Record) -> bool:
    """Whether the weights were released by others, and the record says which file they are."""
    return record.training.get("released") is True and isinstance(record.training.get("sha256"), str)


SELECTIONS = {
    rule.name: rule
    for rule in (
        Selection(
            "full_split",
            "VOC 2011 seg11valid, all 736 images by their hash, measured from a clean tree",
            dataset="voc2011",
            split="seg11valid",
            images=736,
            ids_sha256="4ca991bd72c251fd2485eaa9e29536502ea3800d1b1c17c151fd6a04bcfbc2cc",
            clean=True,
        ),
        Selection(
            # the hash of this list is not known yet: its number of images alone identifies it
            "voc2011_val",
            "VOC 2011 val, all 1111 images, measured from a clean tree",
            dataset="voc2011",
            split="val",
            images=1111,
            clean=True,
        ),
        Selection(
            "nyudv2_test",
            "NYUDv2 test, all 654 images by their hash, measured from a clean tree",
            dataset="nyudv2",
            split="test",
            images=654,
            ids_sha256="3cabba2c952d83ca4e44e4070771c666a28e41e129d7b3033839c4f9a808b426",
            clean=True,
        ),
        Selection(
            "siftflow_test",
            "SIFT Flow test, all 200 images by their hash, measured from a clean tree",
            dataset="siftflow",
            split="test",
            images=200,
            ids_sha256="05cef92d019f81ce4b80a227bd68421248bf507b305e4ccb16432bf7bbab362e",
            clean=True,
        ),
        Selection(
            # the hash of this list is not known yet either
            "pascal_context_val",
            "PASCAL-Context val, all 5105 images, measured from a clean tree",
            dataset="pascal_context",
            split="val",
            images=5105,
            clean=True,
        ),
        Selection(
            "camvid_test",
            "CamVid test, all 233 images by their hash, measured from a clean tree",
            dataset="camvid",
            split="test",
            images=233,
            ids_sha256="6bb0c1951e12b4b5b5a9c6bc2dd6afe2730b6efb7b70395fb859cd3ea2eef702",
            clean=True,
        ),
        Selection("sample", "the 100 drawn images of `sample`", dataset="sample", split="seg11valid", images=100),
        Selection("sample_voc2011", "images drawn in the form of VOC 2011", dataset="sample"),
        Selection("sample_nyudv2", "images drawn in the form of NYUDv2", dataset="sample_nyudv2"),
        Selection("sample_siftflow", "images drawn in the form of SIFT Flow", dataset="sample_siftflow"),
        Selection(
            "sample_pascal_context", "images drawn in the form of PASCAL-Context", dataset="sample_pascal_context"
        ),
    )
}
