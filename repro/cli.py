"""The command `repro`: one verb, one function call."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from repro import __version__
from repro.errors import UserError
from repro.experiments import data_folder

INTERRUPTED = 130  # typer's exit code for a KeyboardInterrupt
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Name = Annotated[str, typer.Argument(help="an experiment, such as sample/fcn16s_vgg16, or a config file")]
data_app = typer.Typer(no_args_is_help=True, help="Look after the data.")
app.add_typer(data_app, name="data")
weights_app = typer.Typer(no_args_is_help=True, help="Look into weights files.")
app.add_typer(weights_app, name="weights")

WorkDirs = Annotated[Path, typer.Option(help="folder of all runs and records")]
Data = Annotated[Path | None, typer.Option(help="folder of the dataset, instead of the experiment's own")]
Options = Annotated[
    list[str] | None, typer.Option("--cfg-options", help="change a setting: key=value; may be repeated")
]
Archives = Annotated[list[Path] | None, typer.Option("--archive", help="a file that you have; may be repeated")]
Unverified = Annotated[bool, typer.Option(help="take files of any checksum; results are marked")]
Seed = Annotated[int | None, typer.Option(help="seed, instead of the experiment's own")]
Launcher = Annotated[Literal["none", "pytorch", "slurm", "mpi"], typer.Option(help="what started the processes")]


def main() -> None:
    """Run the command; a user's mistake is one line and exit code 2."""
    try:
        app()
    except UserError as error:
        print(f"repro: {error}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            print("repro: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        raise


def _version(show: bool) -> None:
    if show:
        print(f"repro {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    """Reproduce "Fully Convolutional Networks for Semantic Segmentation" (CVPR 2015)."""


@app.command("list")
def list_experiments() -> None:
    """Show every experiment: what it starts from, what it claims, whether it was measured."""
    from repro import listing

    listing.show()


@app.command()
def prepare(
    name: Annotated[str, typer.Argument(help="voc2011, nyudv2, siftflow, pascal_context, camvid, sample, or weights")],
    nets: Annotated[
        list[str] | None, typer.Argument(help="weights: vgg16, caffenet, googlenet (all three by default), ...")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="where to put it; by default data/NAME")] = None,
    archive: Archives = None,
    unpacked: Annotated[Path | None, typer.Option(help="folder with the unpacked archives side by side")] = None,
    lists: Annotated[
        Path | None, typer.Option(help="voc2011: folder with VOC 2011's train.txt and val.txt, for the archive of 2012")
    ] = None,
    unverified: Unverified = False,
    sample: Annotated[bool, typer.Option(help="draw a look-alike in the dataset's layout instead")] = False,
    seed: Annotated[int, typer.Option(help="sample: of the drawing")] = 0,
    thin_parts: Annotated[bool, typer.Option(help="sample: draw thin parts, or fill objects to their hulls")] = True,
) -> None:
    """Prepare a dataset: from archives at hand or downloaded, or drawn; `sample` is `--sample voc2011`.

    Or `weights`: the ImageNet classifiers that experiments start from.
    """
    if name == "weights":
        from repro.classifiers import PAPERS, prepare_classifiers

        print(*prepare_classifiers(nets or PAPERS, given=archive or (), verify=not unverified), sep="\n")
        return
    if nets:
        raise UserError(f"prepare one dataset at a time, not {name} and {' and '.join(nets)}")
    from repro import prepare

    layout = prepare.layout_of(name)
    if sample or layout != name:
        if archive or unpacked or lists or unverified:
            raise UserError("a sample is drawn: it takes no archives")
        print(prepare.prepare_sample(layout, root, seed=seed, thin_parts=thin_parts))
        return
    extra = {"lists": lists} if lists else {}
    if extra and name != "voc2011":
        raise UserError(f"--lists is for voc2011; {name} has its own lists")
    print(prepare.prepare(name, root, given=archive or (), unpacked=unpacked, verify=not unverified, **extra))


@data_app.command()
def check(
    name: Annotated[str, typer.Argument(help="a prepared dataset, or a sample: sample, sample_nyudv2, ...")],
    root: Annotated[Path | None, typer.Option(help="where it lies; by default data/NAME")] = None,
) -> None:
    """Verify counts, hashes, sizes, label values and pairs of a prepared dataset."""
    from repro.data.check import show
    from repro.prepare import dataset_module, layout_of

    show(dataset_module(layout_of(name)).DATASET, root or data_folder() / name)


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="a .caffemodel, or torchvision's .pth")],
    to: Annotated[str, typer.Option(help="what it holds: vgg16, caffenet, googlenet, ..., or an experiment")],
    out: Annotated[Path | None, typer.Option(help="the weights file to write; by default in data/weights")] = None,
) -> None:
    """Convert weights that others published: an ImageNet classifier, or an FCN of the authors'."""
    from repro.weights import store
    from repro.weights.convert import convert, place_of

    weights = convert(file, to)
    out = out or place_of(to)
    store.save(weights, out)
    if not weights.faithful:
        print(f"{file} is not the published file: what comes of it answers no claim", file=sys.stderr)
    print(out)


@weights_app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="a weights file, or a .caffemodel")],
) -> None:
    """Show what a weights file holds: layers, shapes, hashes, and what its weights come from."""
    from repro.weights.inspect import show

    show(file)


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
    options = _parse(cfg_options)
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

    options = _parse(cfg_options)
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
        options=_parse(cfg_options),
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
        options=_parse(cfg_options),
    )
    for path in written:
        print(path)


@app.command()
def tables(
    check: Annotated[bool, typer.Option(help="change nothing; fail if a table is out of date")] = False,
) -> None:
    """Render tables/ from claims and records."""
    from repro.report.render import render_all

    render_all(check=check)


@app.command()
def publish(
    records: Annotated[list[Path], typer.Argument(help="records, or folders of records")],
    machine: Annotated[str, typer.Option(help="name of the machine, for the folder")],
) -> None:
    """Copy records from a clean tree into tables/records/MACHINE."""
    from repro.report.publish import publish

    for path in publish(records, machine):
        print(path)


def _parse(pairs: list[str] | None) -> dict[str, Any]:
    import ast

    options = {}
    for pair in pairs or []:
        key, separator, value = pair.partition("=")
        if not separator:
            raise UserError(f"--cfg-options takes key=value, not {pair!r}")
        try:
            options[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[key] = value
    return options
