"""Pictures on a page."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from cards import HOSTILE, card
from PIL import Image

from diptych.report import gallery as module
from diptych.report import page
from diptych.report.atlas import SIZE
from diptych.report.card import Evidence, Gallery

SIDE = 12


def shown(n=60, labels=("birds", "fish", "trees"), before=True):
    """Every picture has a colour of its own."""
    rng = np.random.default_rng(0)
    of = np.arange(n) % 3
    thumbnails = np.zeros((n, SIDE, SIDE, 3), np.uint8)
    thumbnails[..., 0], thumbnails[..., 1] = 4 * np.arange(n)[:, None, None], 200
    places = Evidence(
        [""] * n,
        (np.eye(3)[of] * 4 + rng.normal(size=(n, 3))).astype(np.float32),
        rng.normal(size=(n, 5)).astype(np.float32) if before else None,
        [labels[c] for c in of] if labels else None,
    )
    some = thumbnails[np.arange(12) % n]
    views = {"picture": some[:4], "view 1": some[4:8, :6, :6], "view 2": some[8:]}
    return Gallery(thumbnails, places, views, {"picture": some[:4], "after": rgba(4)})


def rgba(n):
    x = np.full((n, 3, 3, 4), 255, np.uint8)
    x[:, 0, :, 3] = 0
    return x


def decoded(source):
    assert source.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))


@pytest.fixture(scope="module")
def text():
    return page.page(card(), gallery=shown())


def test_a_data_uri_is_the_picture_itself():
    for x in (shown().thumbnails[5], rgba(1)[0]):
        assert np.array_equal(decoded(module.png(x)), x)


def test_views_are_on_the_page_pixel_by_pixel_under_their_names(text):
    found = re.search(r'<table class="pictures">(.*?)</table>', text, re.DOTALL)[1]
    rows = re.findall(r'<th scope="row">([^<]*)</th>(.*?)</tr>', found, re.DOTALL)
    assert [name for name, _ in rows] == ["picture", "view 1", "view 2"]
    for (_, row), given in zip(rows, shown().views.values(), strict=True):
        sources = re.findall(r'src="([^"]*)"', row)
        assert all(np.array_equal(decoded(s), x) for s, x in zip(sources, given, strict=True))


def test_many_views_are_columns_and_a_mask_is_told():
    views = {f"local {i}": shown().thumbnails[: module.ACROSS] for i in range(9)}
    told = page.page(card(), gallery=replace(shown(), views=views))
    assert 'class="pictures upright"' in told
    assert "each row those of one picture.</p>" in told
    assert len(re.findall(r'alt="local 3"', told)) == module.ROWS
    told = page.page(card(), gallery=replace(shown(), views={"picture": shown().thumbnails[:4], "global 1": rgba(4)}))
    assert "Patches that a mask hides are empty." in told
    assert "each column those of one picture." in told


def test_neighbours_are_pictures_that_are_nearest_by_cosine_and_never_itself():
    given = shown(30, before=False)
    x = given.places.after / np.linalg.norm(given.places.after, axis=1, keepdims=True)
    for near in module.neighbours(given):
        row = int(decoded(near.query.source)[0, 0, 0]) // 4
        order = [j for j in np.argsort(-(x @ x[row]), kind="stable").tolist() if j != row][: module.NEAREST]
        assert [int(decoded(n.source)[0, 0, 0]) // 4 for n in near.nearest["After"]] == order
        assert [n.told for n in near.nearest["After"]] == [f"{x[row] @ x[j]:.2f}".replace("-", "−") for j in order]
        assert [n.agrees for n in near.nearest["After"]] == [j % 3 == row % 3 for j in order]


def test_of_each_cell_of_a_map_the_picture_nearest_to_its_middle_is_shown():
    cell = SIZE / module.CELLS
    xy = np.array([[0.4, 0.4], [0.1, 0.1], [1.5, 0.5], [19.9, 20.0]]) * cell
    chosen = module.cells(xy)
    assert chosen == {(0, 0): 0, (1, 0): 2, (19, 19): 3}
    places = module.snapped(xy, chosen) / cell
    assert places.tolist() == pytest.approx(np.array([[0.5, 0.5], [0.1, 0.1], [1.5, 0.5], [19.5, 19.5]]))


def test_a_thumbnail_on_the_map_is_that_of_its_point(text):
    """In each panel: what a thumbnail shows of the sheet has the colour of the picture whose point it covers."""
    source = re.search(r'<image id="sheet"[^>]*href="([^"]*)"', text)[1]
    colours = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).convert("RGB"))
    half = SIZE / module.CELLS / 2
    for panel in re.findall(r"<figure>\s*<figcaption>.*?</figure>", text, re.DOTALL)[:2]:
        dots = [
            (float(x), float(y)) for x, y in re.findall(r'<circle class="k\d+" cx="([\d.-]+)" cy="([\d.-]+)"', panel)
        ]
        shots = re.findall(r'<svg x="(\d+)" y="(\d+)"[^>]*viewBox="(\d+) (\d+)', panel)
        assert len(dots) == 60
        assert len(shots) > 20
        for x, y, left, top in ((*map(int, shot),) for shot in shots):
            middle = x - 4 + half, y - 4 + half
            point = min(range(60), key=lambda i: (dots[i][0] - middle[0]) ** 2 + (dots[i][1] - middle[1]) ** 2)
            assert abs(int(colours[top + 16, left + 16, 0]) - 4 * point) <= 4


def test_nothing_is_loaded_from_elsewhere_and_pictures_may_be_data_alone(text):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'")
    assert policy.endswith("img-src data:")
    sources = re.findall(r'(?:src|(?<!a )href)="([^"]*)"', text)
    assert {source.partition(",")[0] for source in sources if not source.startswith(("#", "https://arxiv.org"))} == {
        "data:image/png;base64"
    }
    assert "img-src" not in page.page(card())


def test_the_words_are_of_pictures(text):
    assert "Map of the pictures" in text
    assert "AutoModel.from_pretrained" in text
    assert ")).last_hidden_state" in text
    assert "SentenceTransformer" not in text
    assert "Map of the corpus" not in text


def test_the_same_gallery_gives_the_same_bytes(text):
    assert page.page(card(), gallery=shown()) == text


@pytest.mark.parametrize(
    "given",
    [
        shown(labels=None),
        shown(before=False),
        shown(n=12),
        shown(n=6),
        replace(shown(), views={}, patches={}),
        replace(shown(), thumbnails=shown().thumbnails[:0], places=shown().places.select([])),
        replace(shown(), places=replace(shown().places, after=np.full((60, 3), np.nan, np.float32))),
        replace(shown(), places=replace(shown().places, after=np.ones((60, 3), np.float32))),
        replace(shown(), views={"picture": shown().thumbnails[:0]}),
    ],
    ids=["no labels", "no before", "twelve", "six", "no views", "none", "all nan", "all equal", "empty views"],
)
def test_any_gallery_makes_a_page(given):
    text = page.page(card(), gallery=given)
    assert "Use it" in text
    assert not re.search(r">(nan|None|inf)<", text)


def test_hostile_labels_stay_text():
    given = shown(labels=(HOSTILE, HOSTILE + "1", HOSTILE + "2"))
    text = page.page(card(), gallery=given)
    assert '<script>alert("x")' not in text
    assert not re.search(r"<img src=x", text)
    assert text.count("<script") == 2


def test_a_page_of_large_pictures_stays_small():
    rng = np.random.default_rng(0)
    n = 1600
    noise = rng.integers(0, 256, (n, 48, 48, 3), np.uint8)  # what is hardest to compress
    places = Evidence(
        [""] * n, rng.normal(size=(n, 8)).astype(np.float32), labels=[f"label {i % 40}" for i in range(n)]
    )
    views = {f"view {i}": rng.integers(0, 256, (6, 224, 224, 3), np.uint8) for i in range(11)}
    assert len(page.page(card(), gallery=Gallery(noise, places, views)).encode()) < 6_000_000


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(ValueError, match=r"Gallery\.places has 60 rows for 59 thumbnails"):
        replace(shown(), thumbnails=shown().thumbnails[1:])
    with pytest.raises(ValueError, match=r"Gallery\.views are of the same pictures in every column"):
        replace(shown(), views={"a": shown().thumbnails[:3], "b": shown().thumbnails[:4]})


def test_scores_of_pictures_have_names_and_the_lower_error_is_the_better():
    from diptych.report.metrics import metric

    assert metric("cifar10_ci_weighted_knn").name == "cifar10 ci, weighted k-NN"
    assert metric("world_linear_grid").name == "world, grid of linear heads"
    assert metric("rgbd_ci_rmse").higher is False
    assert metric("rgbd_ci_delta1").higher
    assert metric("stsb_spearman").name == "stsb spearman"
    assert metric("linear").name == "Linear probe"


def test_scores_on_a_page_of_pictures_are_told_as_a_person_tells_them():
    scores = {
        "model": {"x_linear": 33.2123, "x_rmse": 0.51, "x_invariance": 0.173},
        "untrained": {"x_linear": 26.4, "x_rmse": 0.6, "x_invariance": 0.004},
    }
    errors = {row: {"x_linear": 1.487} for row in scores}
    text = page.page(card(scores=scores, errors=errors), gallery=shown())
    assert "33.2 <small>± 1.5</small>" in text
    assert "+6.8</td><td>+2.7 to +10.9" in text
    assert "33.212" not in text
    assert text.count('class="best"') == 2
    assert "x, invariance</h3>" in text
    assert "x, RMSE, lower is better</h3>" in text
    assert "The best of each column is bold, where there is one." in text
