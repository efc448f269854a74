"""The procedures that are measured: a grid, written down before any was measured, and what was added after a look.

The paper downsamples the truth, upsamples it again and prints the mean IU of the result (Appendix A). It does not say
how it resamples. It can have done this by any of these choices; a factor f makes one coarse pixel of f x f pixels.

Lattice, where the coarse pixels lie and how many there are:
- `steps, ceil`: every f pixels from the top left; the last one may cover less. Slicing `[::f]`, MATLAB's `imresize` by
  a factor, and padding to a multiple of f, where the padding itself has no say.
- `steps, floor` and `steps, round`: the same, with as many as fit, or the nearest number (OpenCV by a factor).
- `resized, floor`, `resized, round`, `resized, ceil`: that many over the whole side, each of equal extent (PIL, torch
  and OpenCV to a size).
- `corners aligned, round`: the centres of the first and the last lie on the first and the last pixel
  (`scipy.ndimage.zoom`).
- `FCN`: every f pixels, where the nets' padding of 100 and their crop put them: the first begins 99 mod f pixels before
  the image.

Down, the label of a coarse pixel:
- `nearest, top left`: of its first pixel (slicing, OpenCV).
- `nearest, centre`: of the pixel at its centre, the right or lower of two (PIL, MATLAB, scikit-image).
- `majority`: the label that most of its pixels have, the lowest of several.
- `area`: none, but the share of each label.

Up, the label of a pixel:
- `nearest`: of the coarse pixel that it lies in.
- `bilinear`: the label of the largest share, of shares interpolated between the centres of the coarse pixels; the
  lowest of several.
- `bilinear, corners aligned`: the same, as if the centres of the first and the last coarse pixel lay on the first and
  the last pixel, wherever they were taken.

Void, before going down; the truth's void is never scored:
- `a class`: void is a label like others. A pixel that becomes void is of no class: a miss.
- `left out`: void has no share and no vote. A coarse pixel whose pixels are all void has no label, and its neighbours
  speak for it; where they have none either, a miss.
- `background`: void becomes background.

`BEFORE` takes every down, up and void on the lattice `steps, ceil`, and on every other lattice the likelier of them.
The author of the list knew the results of four: nearest at the centre with nearest up, with bilinear, and with bilinear
and void left out; majority with bilinear. Left out are:
- the nets' own deconvolution: its kernel of 2f is `bilinear`. At the image's edge it lacks neighbours, which scales all
  shares alike;
- area with nearest: the majority again;
- nearest and void left out, with nearest up: void a class again, for a pixel without label is a miss like a void one;
- nearest, top left where corners are aligned: a centre on a pixel leaves no choice; majority and area there: the first
  and last coarse pixel would cover what is not there;
- bilinear, corners aligned on other lattices than `steps, ceil`: off by less than half a coarse pixel, as it is there.

Of the grid, area with bilinear and void as background had 7 to 10% less error than the paper at every factor alike, as
if the paper smoothed more. So `AFTER` was added, with the results in view:
- down `bilinear`: the shares, weighed by nearness to the centre, up to f away: the kernel of `bilinear` up, backwards;
  PIL's and MATLAB's bilinear. Outside of the image there is nothing; `bilinear, mirrored`: its mirror image (MATLAB).
- the lattices `steps from the end` (of the bottom right), `steps about the middle` (as much outside of the image on
  both sides) and `steps from the edge` (the first is centred on the image's edge), since the edges decide at 128, where
  a side has three or four coarse pixels; one or two more of them than as many as fit.
- void `background, scored`: the truth's void is background too.
- area, and nearest at the centre, with void as background on more lattices.

Looked at and not kept, for none came as near: on every fifth mask, bicubic kernels down and up, and bilinear between
the four pixels around a centre; on a quarter of them, void as a 22nd class, pixels that become void not scored, and a
mean over the images' own scores; on all, another lattice up than down, and beyond the edges zeros, background, or the
last pixel repeated.
"""

from dataclasses import asdict, dataclass
from itertools import product

FACTORS = (128, 64, 32, 16, 8, 4)
LATTICES = (
    "steps, ceil",
    "steps, floor",
    "steps, round",
    "resized, floor",
    "resized, round",
    "resized, ceil",
    "corners aligned, round",
    "FCN",
)
DOWN = ("nearest, top left", "nearest, centre", "majority", "area")
UP = ("nearest", "bilinear", "bilinear, corners aligned")
VOID = ("a class", "left out", "background")


@dataclass(frozen=True, order=True)
class Procedure:
    """One way down and up again, each field one of the choices above; and whether it was added after a look."""

    down: str
    up: str
    void: str
    lattice: str
    written: str = "before measuring"

    def choices(self) -> dict[str, str]:
        """By name, as a record keeps them."""
        return asdict(self)


def _coincides(procedure: Procedure) -> bool:
    """Whether another procedure of the grid gives the same map; see the list of what is left out."""
    if procedure.up != "nearest":
        return False
    return procedure.down == "area" or (procedure.down.startswith("nearest") and procedure.void == "left out")


LIKELY = (
    ("nearest, top left", "nearest", "a class"),
    ("nearest, centre", "nearest", "a class"),
    ("nearest, centre", "bilinear", "a class"),
    ("nearest, centre", "bilinear", "left out"),
    ("majority", "bilinear", "a class"),
    ("majority", "bilinear", "left out"),
)
BEFORE = tuple(
    procedure
    for procedure in (
        *(Procedure(*choices, "steps, ceil") for choices in product(DOWN, UP, VOID)),
        *(Procedure(*choices, lattice) for lattice in LATTICES[1:] for choices in LIKELY),
    )
    if not _coincides(procedure)
    and (procedure.lattice != "corners aligned, round" or procedure.down == "nearest, centre")
)

STRETCHED = tuple(lattice for lattice in LATTICES if lattice != "corners aligned, round")
SHIFTED = (
    "steps from the end, ceil",
    "steps about the middle, ceil",
    "steps about the middle, round",
    "steps about the middle, floor + 2",
    "steps from the edge, floor + 1",
    "steps from the edge, ceil + 1",
)
AFTER = tuple(
    Procedure(*choices, written="after a look")
    for choices in (
        *product(("bilinear", "bilinear, mirrored"), ("bilinear",), ("background",), (*STRETCHED, *SHIFTED)),
        *product(("area",), ("bilinear",), ("background",), STRETCHED[1:]),
        *product(("nearest, centre",), ("bilinear",), ("background",), STRETCHED[1:]),
        *product(("bilinear",), ("bilinear",), ("a class", "left out"), ("steps, ceil",)),
        ("bilinear", "nearest", "background", "steps, ceil"),
        ("bilinear", "bilinear, corners aligned", "background", "steps, ceil"),
        *product(("area", "bilinear"), ("bilinear",), ("background, scored",), ("steps, ceil",)),
    )
)
PROCEDURES = (*BEFORE, *AFTER)
