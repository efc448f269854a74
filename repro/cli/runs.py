"""Verbs that run experiments: train, evaluate, reproduce, verify, predict."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from repro.cli.options import Archives, Data, Launcher, Name, Options, Seed, Unverified, WorkDirs, parse
from repro.errors import UserError

app = typer.Typer()


@app.command()
def train(
    experiment: Name,
    work_dirs: WorkDirs = Path("work_dirs"),
    data: Data = None,
    start: Annotated[
        list[Path] | None, typer.Option(help="weights to start from, instead of the parent's; one for each parent")
    ] = None,
    cfg_options: Options = None,
    seed: Seed = None,
    launcher: Launcher = "none",
) -> None:
    """Train one stage, or what is left of it."""
    from repro import experiments
    from repro.train import train

    card = experiments.get(experiment)
    options = parse(cfg_options)
    path = train(
        card,
        work_dirs=work_dirs,
        data_root=data,
        start=start or (),
        options=options,
        seed=seed,
        launcher=launcher,
    )
    print(path)


@app.command()
def evaluate(
    experiment: Name,
    weights: Annotated[Path | None, typer.Option(help="weights file; the trained stage's by default")] = None,
    work_dirs: WorkDirs = Path("work_dirs"),
    data: Data = None,
    split: Annotated[Literal["val", "test"], typer.Option(help="test: VOC's, whose labels its server keeps")] = "val",
    submission: Annotated[
        Path | None, typer.Option(help="with --split test: the .tar.gz to send to the server")
    ] = None,
    cfg_options: Options = None,
    launcher: Launcher = "none",
) -> None:
    """Score weights, write a record, and print the numbers of every class; or label VOC's test images."""
    from repro import experiments, listing
    from repro.evaluate import evaluate

    options = parse(cfg_options)
    if split == "test" or submission:
        from repro.submission import write_submission

        if split != "test" or submission is None:
            raise UserError("--split test and --submission FILE go together: the labels of VOC's test are not public")
        card = experiments.get(experiment)
        print(
            write_submission(
                card, work_dirs=work_dirs, out=submission, weights=weights, data_root=data, options=options
            )
        )
        return
    record = evaluate(
        experiments.get(experiment),
        work_dirs=work_dirs,
        weights=weights,
        data_root=data,
        options=options,
        launcher=launcher,
    )
    if record:
        listing.print_scores(record)


@app.command()
def reproduce(
    group: Annotated[str, typer.Argument(help="a group of experiments: sample, voc2011, ...")],
    sample: Annotated[bool, typer.Option(help="on drawn data, with nets of an eighth of the width")] = False,
    work_dirs: WorkDirs = Path("work_dirs"),
    data: Data = None,
    archive: Archives = None,
    unverified: Unverified = False,
    cfg_options: Options = None,
    seed: Seed = None,
) -> None:
    """Prepare a group's data, run all its stages, score them, print its table; goes on where it stopped."""
    from repro.reproduce import reproduce

    reproduce(
        group,
        sample=sample,
        work_dirs=work_dirs,
        data_root=data,
        given=archive or (),
        verify=not unverified,
        options=parse(cfg_options),
        seed=seed,
    )


@app.command()
def verify_release(
    nets: Annotated[
        list[str] | None, typer.Argument(help="some of them, such as voc2011/fcn8s_vgg16; all five by default")
    ] = None,
    work_dirs: WorkDirs = Path("work_dirs"),
    archive: Archives = None,
    unverified: Unverified = False,
) -> None:
    """Score the nets that the authors released, training nothing (25 minutes a net on two cores); resumes."""
    from repro.verify import verify

    verify(nets, work_dirs=work_dirs, given=archive or (), verify=not unverified)


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(help="image files or folders")],
    experiment: Annotated[str, typer.Option(help="the net")],
    weights: Annotated[Path | None, typer.Option(help="weights file; the trained stage's by default")] = None,
    heatmap: Annotated[str | None, typer.Option(help="draw the coarse heat map of this class instead")] = None,
    out: Annotated[Path, typer.Option(help="folder for the pictures")] = Path("predictions"),
    work_dirs: WorkDirs = Path("work_dirs"),
    cfg_options: Options = None,
) -> None:
    """Label images: a label map and an overlay each, or the heat map of one class."""
    from repro import experiments
    from repro.predict import predict

    written = predict(
        images,
        experiments.get(experiment),
        work_dirs=work_dirs,
        out=out,
        weights=weights,
        heatmap=heatmap,
        options=parse(cfg_options),
    )
    for path in written:
        print(path)


@app.command()
def upper_bounds(
    labels: Annotated[list[Path], typer.Argument(help="VOC's label PNGs, folders of them, or zip files of them")],
    ids: Annotated[Path | None, typer.Option(help="list of the images to take; all by default")] = None,
    dataset: Annotated[str, typer.Option(help="name for the record, where the images are not seg11valid's")] = "labels",
    split: Annotated[str, typer.Option(help="name for the record, where the images are not seg11valid's")] = "all",
    work_dirs: WorkDirs = Path("work_dirs"),
) -> None:
    """Measure what down- and upsampling leaves of the truth (Appendix A; minutes), write a record and print it."""
    from repro.report.upper_bounds_table import show
    from repro.upper_bounds.measure import measure

    show(measure(labels, work_dirs, ids=ids, dataset=dataset, split=split))
