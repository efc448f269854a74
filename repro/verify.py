"""The nets that the authors released, scored as they are: what they print beside what we measure, nothing trained."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from mmengine.config import Config
from mmseg.registry import DATASETS

from repro import experiments, listing, records
from repro.data import voc2011
from repro.data.download import obtain, wanted
from repro.errors import UserError
from repro.evaluate import evaluate
from repro.experiments import Experiment
from repro.files import atomic
from repro.predict import label_item, load
from repro.prepare import archives_folder
from repro.pretrained import archive
from repro.provision import prepare_all
from repro.report import markdown, scores
from repro.report.claims import read_claims
from repro.report.layouts import LAYOUTS
from repro.reproduce import earlier_record
from repro.settings import load_config
from repro.weights import store
from repro.weights.convert import convert, place_of
from repro.weights.published import RELEASED

TABLE = "verify-release.md"
NETS = tuple(name for name in RELEASED if name.startswith("voc2011/"))
TIMED = 3  # images whose labelling foretells how long all will take


def verify(
    names: Sequence[str] | None = None, *, work_dirs: Path, given: Sequence[Path] = (), verify: bool = True
) -> list[records.Record]:
    """Obtain and convert released nets, prepare VOC 2011, score each net on seg11valid, and print claim beside score.

    Nets that were scored already are not scored again. One that is not to be had keeps none of the others from being
    scored; the error comes in the end. The table also goes to `<work_dirs>/verify-release.md`.

    Args:
        names: experiments of `NETS`; all of them when None or empty.
        given, verify: as `repro.prepare.prepare`'s, for the nets' files too.

    Returns:
        The records, which lie in `<work_dirs>/records`.

    Raises:
        UserError: an unknown net or file, data that is not to be had, or nets that are not to be had: a line that names
            every such file, its address, and where to put it.
    """
    chosen = [_get(name) for name in dict.fromkeys(names or NETS)]
    _refuse_unknown(given)
    weights: dict[Experiment, Path] = {}
    faults = []
    for experiment in chosen:
        try:
            weights[experiment] = fetch_net(experiment.name, given, verify)
        except UserError as error:
            faults.append("; ".join(line.strip() for line in str(error).splitlines()))
            print(f"{experiment.name}: {faults[-1]}", file=sys.stderr)  # now, not only when the others are scored
    # nothing is trained, so that no net's start is wanted; where there is no net, no data either
    untrained = [replace(experiment, starts_from=()) for experiment in weights]
    others = [path for path in given if path.name not in {net.file for net in RELEASED.values()}]
    prepare_all(untrained, work_dirs=work_dirs, given=others, verify=verify)
    scored = []
    for number, (experiment, file) in enumerate(weights.items(), start=1):
        print(f"{number}/{len(weights)}  {experiment.name}", file=sys.stderr)
        scored.append(score(experiment, file, work_dirs))
        listing.print_scores(scored[-1])
    if scored:
        text = table(scored)
        with atomic(work_dirs / TABLE) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(text)
        print(_what_next(scored, work_dirs))
    if faults:
        raise UserError(f"{len(faults)} of {len(chosen)} nets not scored: {'; '.join(faults)}")
    return scored


def fetch_net(name: str, given: Sequence[Path], verify: bool) -> Path:
    """The converted weights of a released net, in `<data folder>/weights/released`.

    Its file is converted every time, which takes seconds, so that what is scored is what today's code reads.

    Raises:
        UserError: the file is not to be had, or holds something else than this net.
    """
    net, folder = archive(RELEASED[name], f"the released {name}"), archives_folder()
    own = [path for path in given if path.name == net.name]
    downloaded = bool(wanted([net], folder, own))
    file = obtain([net], folder, own, verify=verify)[net.name]
    try:
        weights = convert(file, name)
    except UserError as error:
        if not downloaded:
            raise
        file.unlink()  # lest the next run take it for the net
        raise UserError(
            f"what came from {' or '.join(net.urls)} is not {net.name} ({net.holds}): {error}; get it by hand, and "
            f"name it with --archive FILE or put it into {folder}"
        ) from error
    store.save(weights, place_of(name))
    return place_of(name)


def score(experiment: Experiment, weights: Path, work_dirs: Path) -> records.Record:
    """The record of weights on an experiment's images: the earlier one if there is, else a new one."""
    config = load_config(experiment)
    record = earlier_record(experiment, config, weights, work_dirs)
    if record is None:
        print(f"{experiment.name} takes {foretell(experiment, config, weights)}", file=sys.stderr)
        record = evaluate(experiment, work_dirs=work_dirs, weights=weights)
    assert record  # one process alone writes one
    return record


def foretell(experiment: Experiment, config: Config, weights: Path) -> str:
    """How long an experiment's images take on this machine, judged by the first few of them."""
    net, dataset = load(experiment, weights), DATASETS.build(config.test_dataloader.dataset)
    items = [dataset[index] for index in range(min(1 + TIMED, len(dataset)))]
    label_item(net, items[0])  # the first call also allocates
    started = time.monotonic()
    for item in items[1:] or items:
        label_item(net, item).pred_sem_seg.data.cpu()  # which waits for the device
    seconds = (time.monotonic() - started) / len(items[1:] or items)
    return f"about {timedelta(seconds=round(len(dataset) * seconds))}: {len(dataset)} images at {seconds:.2g} s each"


def table(scored: Sequence[records.Record]) -> str:
    """The block of VOC's table that the released nets fill, of these records alone."""
    layout = LAYOUTS["voc2011"]
    names = {record.experiment for record in scored}
    blocks = [
        replace(block, rows=tuple(row for row in block.rows if row.experiment in names))
        for block in layout.blocks
        if block.recipe == "release" and block.shape == "claims"
    ]
    shown = replace(
        layout, summary="The released nets", command="tox -e verify-release", blocks=tuple(blocks), ranks=()
    )
    return markdown.page(scores.document(shown, read_claims(), scored))


def _what_next(scored: Sequence[records.Record], work_dirs: Path) -> str:
    paths = [str(work_dirs / "records" / f"{record.id}.json") for record in scored if record.claims]
    lines = [f"take into the tables: repro publish {' '.join(paths)} --machine NAME"] if paths else []
    if len(paths) < len(scored):
        lines.append("records marked as changed fill no cell: their data or nets were taken unverified")
    return "\n".join(lines)


def _get(name: str) -> Experiment:
    if name not in NETS:
        raise UserError(f"{name!r} is none of the authors' nets for VOC: {', '.join(NETS)}")
    return experiments.get(name)


def _refuse_unknown(given: Sequence[Path]) -> None:
    """Refuse files that nothing here asks for, and those that are not there, before anything is downloaded."""
    nets = [archive(RELEASED[name], name) for name in NETS]
    known = {each.name: None for archives in (nets, *voc2011.SOURCES) for each in archives}
    for path in given:
        if path.name not in known:
            raise UserError(f"{path} is none of the files wanted: {', '.join(known)}; rename it if it is one")
        if not path.is_file():
            raise UserError(f"{path} is missing or no file; correct the path")
