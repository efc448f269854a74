"""Verbs that bring in what experiments need: datasets and weights."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from repro.cli.options import Archives, Unverified
from repro.errors import UserError
from repro.experiments import data_folder

app = typer.Typer()
data_app = typer.Typer(no_args_is_help=True, help="Look after the data.")
weights_app = typer.Typer(no_args_is_help=True, help="Look into weights files.")
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")


@app.command()
def prepare(
    name: Annotated[str, typer.Argument(help="voc2011, nyudv2, siftflow, pascal_context, camvid, sample, or weights")],
    nets: Annotated[
        list[str] | None,
        typer.Argument(
            help="weights: by default vgg16 caffenet googlenet; or others, or experiments that were released"
        ),
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

    Or `weights`: the ImageNet classifiers that experiments start from, or the nets that the authors released.
    """
    if name == "weights":
        from repro.pretrained import PAPERS, prepare_weights

        print(*prepare_weights(nets or PAPERS, given=archive or (), verify=not unverified), sep="\n")
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
    elif weights.training["checksum"] == "unknown":
        print(
            f"no checksum of {file.name} is published: that it is the authors' file is taken on trust", file=sys.stderr
        )
    print(out)


@weights_app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="a weights file, or a .caffemodel")],
) -> None:
    """Show what a weights file holds: layers, shapes, hashes, and what its weights come from."""
    from repro.weights.inspect import show

    show(file)
