"""Labels VOC's test images, whose truth only VOC's evaluation server has, and packs what the server takes.

```
results/VOC2011/Segmentation/comp6_test_cls/<id>.png    for each id of test.txt; class ids in VOC's palette
```

The archive is written, never sent. Its competition is comp6, any training data but the test images: these nets start
from ILSVRC and learn from SBD, and comp5 is for VOC's own training data alone. Table 3 is scored so.
"""

import gzip
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from repro.data.assemble import progress
from repro.data.images import read_image, write_label
from repro.data.splits import name_some, read_ids
from repro.data.voc2011 import LISTS, VOC2011
from repro.errors import UserError
from repro.experiments import Experiment
from repro.files import atomic
from repro.predict import label_image, load
from repro.settings import load_config
from repro.train import WEIGHTS

COMPETITION = "comp6"


def write_submission(
    experiment: Experiment,
    *,
    work_dirs: Path,
    out: Path,
    weights: Path | None = None,
    data_root: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Path:
    """Label every image of VOC's test list, pack the label maps, and return `out`.

    The same weights and images give the same bytes. The archive appears whole or not at all.

    Args:
        out: the archive, `.tar.gz` or `.tgz`.
        weights: those of the finished stage when None.
        data_root: VOC's folder with the test images, called VOC2011 or VOC2012, in any case; the year of the challenge
            is taken from its name. The experiment's own folder when None.
        options: the settings that were changed when the weights were trained.

    Raises:
        UserError: an experiment that does not label VOC's classes, missing weights, a folder of no year, no test list,
            missing or broken images, or an archive of another kind or in a place that cannot be written.
    """
    if not out.name.endswith((".tar.gz", ".tgz")):
        raise UserError(f"the server takes a gzipped tar: call {out.name} something that ends in .tar.gz")
    config = load_config(experiment, options, data_root=data_root)
    tested = config.get("test_dataloader")
    if not tested or not issubclass(tested.dataset.type, VOC2011) or "decode_head" not in config.model:
        raise UserError(f"{experiment.name} does not label the 21 classes of VOC, which is what VOC's server scores")
    images = find_test_images(Path(tested.dataset.data_root))
    year = _year(Path(tested.dataset.data_root))
    net = load(experiment, weights or work_dirs / experiment.name / WEIGHTS, options)
    with (
        TemporaryDirectory() as scratch,
        atomic(out) as temporary,
        temporary.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,  # names and dates would change the bytes
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for image in progress(images, "label"):
            answer = Path(scratch, f"{image.stem}.png")
            write_label(answer, label_image(net, read_image(image)))
            member = tarfile.TarInfo(f"results/VOC{year}/Segmentation/{COMPETITION}_test_cls/{answer.name}")
            member.size = answer.stat().st_size
            with answer.open("rb") as png:
                archive.addfile(member, png)
            answer.unlink()
    return out


def find_test_images(root: Path) -> list[Path]:
    """The images of VOC's test list, in alphabetical order.

    Raises:
        UserError: the list or some images are missing; says where they come from.
    """
    remedy = (
        "VOC's evaluation server (http://host.robots.ox.ac.uk:8080) gives VOC2011test.tar and VOC2012test.tar to those "
        "who register; unpack one and name its folder VOCdevkit/VOC2011 or VOC2012 with --data"
    )
    listed = root / LISTS / "test.txt"
    if not listed.is_file():
        raise UserError(f"there is no {listed}: {remedy}")
    images = [root / "JPEGImages" / f"{image_id}.jpg" for image_id in sorted(read_ids(listed))]
    missing = [image.stem for image in images if not image.is_file()]
    if missing:
        raise UserError(f"{root / 'JPEGImages'} lacks {len(missing)} test images: {name_some(missing)}; {remedy}")
    return images


def _year(root: Path) -> str:
    """The year of the challenge, which the server wants to read in the archive."""
    found = re.fullmatch("voc(2011|2012)", root.absolute().name, re.IGNORECASE)
    if not found:
        raise UserError(f"{root} does not say whose test images it holds: call that folder VOC2011 or VOC2012")
    return found[1]
