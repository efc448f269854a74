"""Predictions: label maps in VOC's colours, overlays and heat maps of any image file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import repro
from repro import experiments
from repro.data.images import colour_map, read_image
from repro.data.voc2011 import CLASSES
from repro.errors import UserError
from repro.models.segmentor import FCN
from repro.predict import find_images, heat_map, label_image, load, predict, preprocess
from repro.weights import store

NET = "sample/fcn16s_vgg16"


@pytest.fixture(scope="module")
def vivid(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights whose predictions change over an image."""
    weights = store.load(trained / NET / "weights.pth")
    generator = torch.Generator().manual_seed(0)
    name = "decode_head.score_fr.weight"
    tensors = weights.tensors | {name: torch.randn(weights.tensors[name].shape, generator=generator)}
    path = tmp_path_factory.mktemp("vivid") / "weights.pth"
    store.save(store.Weights(tensors), path)
    return path


@pytest.fixture(scope="module")
def photo(drawn: Path) -> Path:
    return min((drawn / "JPEGImages").iterdir())


@pytest.fixture
def run(vivid, tiny, tmp_path):
    def predict_it(*images: Path, **options) -> list[Path]:
        return predict(
            images,
            experiments.get(NET),
            work_dirs=tmp_path,
            out=tmp_path / "out",
            weights=vivid,
            options=tiny,
            **options,
        )

    return predict_it


def test_a_label_map_and_an_overlay(run, photo, vivid, tiny):
    labels, overlay = run(photo)
    assert (labels.name, overlay.name) == (f"{photo.stem}.png", f"{photo.stem}_overlay.png")
    image = read_image(photo)
    with Image.open(labels) as picture:
        assert picture.mode == "P" and picture.size == (image.shape[1], image.shape[0])
        palette = np.array(picture.getpalette()).reshape(-1, 3)
        found = np.array(picture)
    np.testing.assert_array_equal(palette[:21], colour_map(21))
    assert len(np.unique(found)) > 2 and found.max() < len(CLASSES)
    np.testing.assert_array_equal(found, label_image(load(NET, vivid, tiny), image))
    with Image.open(overlay) as picture:
        assert picture.mode == "RGB" and picture.size == (image.shape[1], image.shape[0])
        blended = np.array(picture).astype(int)
    half = (image[..., ::-1].astype(int) + colour_map(21)[found]) / 2
    assert np.abs(blended - half).max() <= 1


def test_a_folder_of_images(run, drawn, tmp_path):
    names = sorted(path.name for path in (drawn / "JPEGImages").iterdir())[:2]
    folder = tmp_path / "images"
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(drawn / "JPEGImages" / name)
    (folder / "notes.txt").write_text("no image")
    assert [path.stem for path in run(folder)[::2]] == [Path(name).stem for name in names]


def test_a_heat_map_of_one_class(run, photo, vivid, tiny, tmp_path):
    (path,) = run(photo, heatmap="person")
    assert path.name == f"{photo.stem}_person.png"
    with Image.open(path) as picture:
        assert picture.width > 2 * picture.height / 2 > 50
    net, image = load(NET, vivid, tiny), read_image(photo)
    maps = np.stack([heat_map(net, image, class_id) for class_id in range(len(CLASSES))])
    np.testing.assert_allclose(maps.sum(axis=0), 1, atol=1e-5)
    rows, columns = maps.shape[1:]
    assert rows < image.shape[0] / 16 and columns < image.shape[1] / 16, "at the net's own stride"
    assert maps.max() > 2 / len(CLASSES)


def test_a_classifier_draws_the_heat_map_of_its_labels(trained, tiny, photo, tmp_path):
    """Convolutionalised, it slides over the image: as many classes as it was trained on, in their order."""
    weights = trained / "sample/classifier_vgg16/weights.pth"
    net = load("sample/classifier_vgg16", weights, tiny)
    assert isinstance(net, FCN) and net.decode_head.num_classes == 20
    (path,) = predict(
        [photo],
        experiments.get("sample/classifier_vgg16"),
        work_dirs=trained,
        out=tmp_path,
        weights=weights,
        heatmap="aeroplane",
        options=tiny,
    )
    assert path.name == f"{photo.stem}_aeroplane.png"
    with pytest.raises(UserError, match="no class 'background'"):
        predict(
            [photo],
            experiments.get("sample/classifier_vgg16"),
            work_dirs=trained,
            out=tmp_path,
            weights=weights,
            heatmap="background",
            options=tiny,
        )


def save(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)


KINDS = {
    "grey.png": lambda path: save(path, Image.fromarray(noise(40, 50))),
    "grey_alpha.png": lambda path: save(path, Image.fromarray(noise(40, 50, 2), "LA")),
    "rgba.png": lambda path: save(path, Image.fromarray(noise(40, 50, 4))),
    "palette.png": lambda path: save(path, Image.fromarray(noise(40, 50, 3)).convert("P")),
    "palette.gif": lambda path: save(path, Image.fromarray(noise(40, 50, 3)).convert("P")),
    "bits.png": lambda path: save(path, Image.fromarray(noise(40, 50) > 127)),
    "deep.png": lambda path: save(path, Image.fromarray(noise(40, 50, dtype=np.uint16))),
    "deep.tif": lambda path: save(path, Image.fromarray(noise(40, 50, dtype=np.uint16))),
    "cmyk.jpg": lambda path: save(path, Image.fromarray(noise(40, 50, 4), "CMYK")),
    "progressive.jpg": lambda path: save(path, Image.fromarray(noise(40, 50, 3)), progressive=True),
    "rotated.jpg": lambda path: save(path, Image.fromarray(noise(40, 50, 3)), exif=exif(6)),
    "UPPER.JPG": lambda path: save(path, Image.fromarray(noise(40, 50, 3))),
    "webp.webp": lambda path: save(path, Image.fromarray(noise(40, 50, 3))),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_kind_of_image(run, tmp_path, name):
    labels, _ = run(KINDS[name](tmp_path / name))
    with Image.open(labels) as picture:
        assert picture.size == (50, 40), "the pixels as stored, whatever EXIF says"


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (33, 2)])
def test_every_size_of_image(run, tmp_path, size):
    labels, _ = run(save(tmp_path / "small.png", Image.fromarray(noise(*size, 3))))
    with Image.open(labels) as picture:
        assert picture.size == size[::-1]


def test_load_gives_a_net_ready_to_use(vivid, tiny, photo):
    net = repro.load(NET, vivid, tiny)
    assert not net.training
    image = read_image(photo)
    x = preprocess(net, image)
    mean = torch.tensor([104.00699, 116.66877, 122.67892]).view(3, 1, 1)
    pixels = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))
    torch.testing.assert_close(x[0].cpu(), pixels - mean)
    with torch.inference_mode():
        scores = net(x, mode="tensor")
    assert scores.shape == (1, 21, *image.shape[:2])
    np.testing.assert_array_equal(scores[0].argmax(0).cpu(), label_image(net, image))


def test_images_are_found_in_order(tmp_path):
    for name in ("b.jpg", "a.png", "c.TIFF", "d.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in find_images([tmp_path])] == ["a.png", "b.jpg", "c.TIFF"]
    with pytest.raises(UserError, match="two images are called a"):
        find_images([tmp_path, tmp_path / "a.png"])
