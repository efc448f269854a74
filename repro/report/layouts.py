"""What each table shows: the order of its rows, its columns, the records it takes, its footnotes. No numbers."""

from dataclasses import dataclass
from typing import Literal

from repro.metrics import METRICS, Absent
from repro.records import Record

HEADINGS = {
    "pixel_acc": "pixel acc",
    "mean_acc": "mean acc",
    "mean_iu": "mean IU",
    "fw_iu": "f.w. IU",
    "parameters": "parameters",
    "rf_size": "receptive field (px)",
}


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

    def refuses(self, record: Record) -> str | None:
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
        for what, where in (("scored", record.provenance), ("trained", record.training.get("provenance", {}))):
            if self.clean and where.get("dirty") is not False:
                return f"{what} from a dirty tree" if where.get("dirty") else f"{what} from an unknown commit"
        return None


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
        Selection("sample", "the 100 drawn images of `sample`", dataset="sample", split="seg11valid", images=100),
    )
}


@dataclass(frozen=True)
class Row:
    """A net. It takes the records that name its `claim`; without a claim, those of its `experiment`."""

    label: str
    claim: str | None = None
    experiment: str | None = None


@dataclass(frozen=True)
class Block:
    """One table of a file.

    `shape` says how it prints: `claims` a line for each net and metric, `scores` a line for each net.
    `recipe` names the schedule whose records it takes: a record answers only claims of its own recipe.
    `printed_only` are columns of claims that stand as printed and that no record measures.
    `command` measures it, where that is another than the layout's.
    """

    title: str
    rows: tuple[Row, ...]
    metrics: tuple[str, ...]
    selection: str
    recipe: str
    shape: Literal["claims", "scores"] = "claims"
    printed_only: tuple[str, ...] = ()
    absent: Absent = "present"
    footnotes: tuple[str, ...] = ()
    command: str = ""

    def refuses(self, record: Record) -> str | None:
        """Why a record does not fill a cell here, in a few words: another recipe, or what the selection says."""
        if record.recipe != self.recipe:
            return f"recipe {record.recipe}"
        return SELECTIONS[self.selection].refuses(record)


@dataclass(frozen=True)
class Layout:
    """One file in `tables/` and the command that fills it."""

    name: str
    title: str
    summary: str
    command: str
    blocks: tuple[Block, ...]


def _claimed(prefix: str, *labels: str) -> tuple[Row, ...]:
    return tuple(Row(label, claim=f"{prefix}/{label}") for label in labels)


VOC2011 = Layout(
    name="voc2011",
    title="PASCAL VOC 2011",
    summary="Tables 1 and 2 of the paper, and the released nets",
    command="tox -e reproduce-voc",
    blocks=(
        Block(
            title="CVPR 2015, Table 2: skip nets on seg11valid",
            rows=_claimed("cvpr2015/table2", "FCN-32s-fixed", "FCN-32s", "FCN-16s", "FCN-8s"),
            metrics=METRICS,
            selection="full_split",
            recipe="cvpr2015",
            footnotes=(
                "Trained on the 8498 SBD images by the CVPR recipe. FCN-32s-fixed trains its score layer only.",
            ),
        ),
        Block(
            title="CVPR 2015, Table 1: three classifiers made fully convolutional",
            rows=_claimed("cvpr2015/table1", "FCN-AlexNet", "FCN-VGG16", "FCN-GoogLeNet"),
            metrics=("mean_iu",),
            selection="voc2011_val",
            recipe="cvpr2015",
            printed_only=("parameters", "rf_size"),
            footnotes=(
                "Trained on the 1112 images of VOC 2011 train by the CVPR recipe.",
                "Parameters and receptive fields are the paper's; its 907 counts the average pool that FCN-GoogLeNet "
                "discards.",
            ),
        ),
        Block(
            title="The released nets on seg11valid",
            rows=_claimed("caffe_release/voc2011", "FCN-32s", "FCN-16s", "FCN-8s", "FCN-8s at once", "FCN-AlexNet"),
            metrics=("mean_iu",),
            selection="full_split",
            recipe="release",
            footnotes=("Trained on the 8498 SBD images by the released (heavy) recipe, another than Table 2's.",),
        ),
    ),
)

SAMPLE = Layout(
    name="sample",
    title="The embedded sample",
    summary="The story of 32s, 16s and 8s on drawn images, with nets of an eighth of the width",
    command="tox -e reproduce-sample",
    blocks=(
        Block(
            title="Finer strides on drawn scenes",
            rows=(
                Row("FCN-32s", experiment="sample/fcn32s_vgg16"),
                Row("FCN-16s", experiment="sample/fcn16s_vgg16"),
                Row("FCN-8s", experiment="sample/fcn8s_vgg16"),
            ),
            metrics=METRICS,
            selection="sample",
            recipe="sample",
            shape="scores",
            footnotes=("Drawn images: these numbers compare with no claim of any paper.",),
        ),
        Block(
            title="Controls: the same further training of FCN-32s without the skip",
            rows=(
                Row("FCN-16s, pool4's score kept at zero", experiment="ablations/fcn16s_sample_zero_skip"),
                Row("FCN-32s trained on at that rate", experiment="ablations/fcn32s_sample_lower_rate"),
            ),
            metrics=METRICS,
            selection="sample",
            recipe="sample",
            shape="scores",
            footnotes=(
                "Both start where FCN-16s starts. What they gain on FCN-32s is not owed to the skip (section 4.2).",
            ),
            command="repro reproduce ablations",
        ),
    ),
)

LAYOUTS = {layout.name: layout for layout in (VOC2011, SAMPLE)}
