"""The weights files that others publish: what they are called, where they lie, and what is known of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

CAFFE = ("https://dl.caffe.berkeleyvision.org", "http://dl.caffe.berkeleyvision.org")
UNRESTRICTED = "unrestricted use, as Caffe's model zoo states"
AUTHORS = "unrestricted use, as the authors' repository shelhamer/fcn.berkeleyvision.org states"


@dataclass(frozen=True)
class Published:
    """A weights file that somebody publishes.

    Attributes:
        file: its name.
        urls: every known address, the official one first.
        licence: its terms, and who states them.
        checksum: "sha1:..." or "sha256:...", of which torchvision publishes the beginning; None where nobody
            publishes one.
        size: in bytes, where known.
    """

    file: str
    urls: tuple[str, ...]
    licence: str
    checksum: str | None = None
    size: int | None = None

    def matches(self, path: Path) -> bool | None:
        """Whether a file has the checksum; None where none is known."""
        if self.checksum is None:
            return None
        algorithm, _, expected = self.checksum.partition(":")
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest().startswith(expected)


def _at_caffe(name: str) -> tuple[str, ...]:
    return tuple(f"{host}/{name}.caffemodel" for host in CAFFE)


# The ILSVRC classifiers of Caffe's model zoo. The checksums of CaffeNet and GoogLeNet are those of its readmes;
# VGG16's, and all sizes, are those by which OpenVINO's Open Model Zoo downloads from the same addresses.
ILSVRC = {
    "vgg16": Published(
        "VGG_ILSVRC_16_layers.caffemodel",
        (
            "https://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/VGG_ILSVRC_16_layers.caffemodel",
            "http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/VGG_ILSVRC_16_layers.caffemodel",
        ),
        "CC BY 4.0, Karen Simonyan and Andrew Zisserman",
        "sha256:a6196bc498e45ea4cb2637114ae8db9410cf1556fd60a55ae93272371beba197",
        553_432_081,
    ),
    "caffenet": Published(
        "bvlc_reference_caffenet.caffemodel",
        _at_caffe("bvlc_reference_caffenet"),
        UNRESTRICTED,
        "sha1:4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46",
        243_862_418,
    ),
    "googlenet": Published(
        "bvlc_googlenet.caffemodel",
        _at_caffe("bvlc_googlenet"),
        UNRESTRICTED,
        "sha1:405fc5acd08a3bb12de8ee5e23a96bec22f08204",
        53_533_754,
    ),
}


def _released(file: str, checksum: str | None = None) -> Published:
    return Published(f"{file}.caffemodel", _at_caffe(file), AUTHORS, checksum)


# The authors' FCNs, by the experiment that each one is. They publish no checksum; two stand in OpenCV's test data.
RELEASED = {
    "voc2011/fcn32s_vgg16": _released("fcn32s-heavy-pascal", "sha1:05eb922d7829c39448f57e5ab9d8cd75d6c0be6d"),
    "voc2011/fcn16s_vgg16": _released("fcn16s-heavy-pascal"),
    "voc2011/fcn8s_vgg16": _released("fcn8s-heavy-pascal", "sha1:c449ea74dd7d83751d1357d6a8c323fcf4038962"),
    "voc2011/fcn8s_atonce_vgg16": _released("fcn8s-atonce-pascal"),
    "voc2011/fcn32s_alexnet": _released("fcn-alexnet-pascal"),
    "nyudv2/fcn32s_rgb": _released("nyud-fcn32s-color-heavy"),
    # the one net of theirs whose address their repository does not give
    "nyudv2/fcn32s_rgbd": Published("nyud-fcn32s-color-d-heavy.caffemodel", (), AUTHORS),
    "nyudv2/fcn32s_hha": _released("nyud-fcn32s-hha-heavy"),
    "nyudv2/fcn32s_rgb_hha": _released("nyud-fcn32s-color-hha-heavy"),
    "siftflow/fcn32s_vgg16": _released("siftflow-fcn32s-heavy"),
    "siftflow/fcn16s_vgg16": _released("siftflow-fcn16s-heavy"),
    "siftflow/fcn8s_vgg16": _released("siftflow-fcn8s-heavy"),
    "pascal_context/fcn32s_vgg16": _released("pascalcontext-fcn32s-heavy"),
    "pascal_context/fcn16s_vgg16": _released("pascalcontext-fcn16s-heavy"),
    "pascal_context/fcn8s_vgg16": _released("pascalcontext-fcn8s-heavy"),
}
