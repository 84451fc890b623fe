import base64
import io
import json
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures.drawings import smooth
from PIL import Image

from diptych.core import DataError
from diptych.data.images import decoding, worker
from diptych.data.images.corpus import pictures
from diptych.pictures import decode


def png(pixels):
    raw = io.BytesIO()
    Image.fromarray(pixels).save(raw, "PNG")
    return raw.getvalue()


def save(folder, name, image=None):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = image if image is not None else Image.fromarray(smooth(12, 10, len(name)))
    image.save(path)
    return path


def shown(corpus):
    return [picture.pixels.copy() for picture in corpus.items]


# ---------------------------------------------------------------- folders


def test_a_class_is_a_folder(tmp_path):
    for name in ("cat/1.png", "cat/2.png", "dog/deep/3.png"):
        save(tmp_path, name)
    (tmp_path / "dog/notes.txt").write_text("no picture")
    found = pictures(tmp_path)
    assert found.labels == ["cat", "cat", "dog"]
    assert np.array_equal(found[0]["image"].pixels, smooth(12, 10, len("cat/1.png")))
    assert "2 classes" in found.notes[0]
    assert "1 file not read, no picture by its name (.txt)" in found.notes


def test_pictures_of_one_folder_have_no_class(tmp_path):
    for name in ("1.png", "2.png"):
        save(tmp_path, name)
    assert pictures(tmp_path).labels is None


def test_folders_of_parts_are_parts_and_no_classes(tmp_path):
    for name in ("train/cat/1.png", "train/dog/2.png", "test/cat/3.png", "val/dog/4.png"):
        save(tmp_path, name)
    found = pictures(tmp_path)
    assert found.labels == ["cat", "cat", "dog", "dog"]
    assert (found.part("test").tolist(), found.part("train", "val").tolist()) == ([0], [1, 2, 3])


def test_what_lies_beside_parts_is_left_out_and_told_and_unlabelled_pictures_are_learned_from(tmp_path):
    for name in ("train/cat/1.png", "test/dog/2.png", "cover.png", "extra/3.png", "unlabeled/4.png"):
        save(tmp_path, name)
    found = pictures(tmp_path)
    assert found.labels == ["dog", "cat", None]
    assert (found.part("test").tolist(), found.part("train").tolist()) == ([0], [1, 2])
    assert "2 pictures left out: beside 'test', 'train', and in none of them" in found.notes


def test_a_part_without_classes_needs_no_test_part(tmp_path):
    for name in ("train/cat/1.png", "train/dog/2.png", "unlabeled/3.png"):
        save(tmp_path, name)
    assert pictures(tmp_path).labels == ["cat", "dog", None]


def test_a_caption_that_ends_as_a_picture_does_is_no_column_of_pictures(tmp_path):
    for name in ("1.png", "2.png"):
        save(tmp_path, name)
    told = [{"caption": "see 9.jpg", "pic": "1.png"}, {"caption": "a cat", "pic": "2.png"}]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, told)))
    assert len(pictures(tmp_path / "x.jsonl")) == 2


def test_one_class_that_is_called_as_a_part_is_a_class(tmp_path):
    for name in ("train/1.png", "ship/2.png"):
        save(tmp_path, name)
    found = pictures(tmp_path)
    assert sorted(found.labels) == ["ship", "train"]
    assert "1 folder read as a class though it is called a part ('train'): others lie beside" in found.notes


def test_a_folder_that_changed_is_read_anew(tmp_path):
    save(tmp_path, "1.png")
    first = pictures(tmp_path)
    save(tmp_path, "2.png")
    assert len(pictures(tmp_path)) == 2
    assert first.fingerprint != pictures(tmp_path).fingerprint


# ---------------------------------------------------------------- decoding


def modes():
    gray = np.arange(120, dtype=np.uint8).reshape(12, 10)
    rgb = smooth(12, 10)
    half = np.dstack([rgb, np.full((12, 10), 128, np.uint8)])
    return {
        "gray.png": (Image.fromarray(gray), np.dstack([gray] * 3)),
        "deep.png": (Image.fromarray(gray.astype(np.uint16) * 256), np.dstack([gray] * 3)),
        "deep.tiff": (Image.fromarray(gray.astype(np.int32) * 256 + 7), np.dstack([gray] * 3)),
        "alpha.png": (Image.fromarray(half), rgb / 255 * 128 + 127),
        "cmyk.tiff": (Image.fromarray(rgb).convert("CMYK"), rgb),
        "palette.gif": (Image.fromarray(gray % 7 * 30).convert("P"), np.dstack([gray % 7 * 30] * 3)),
        "bits.png": (Image.fromarray(gray > 50), np.dstack([(gray > 50) * 255] * 3)),
        "lab.tiff": (Image.fromarray(rgb).convert("YCbCr"), rgb),
    }


@pytest.mark.parametrize("name", modes())
def test_a_picture_of_any_mode_is_read_as_rgb(name, tmp_path):
    image, expected = modes()[name]
    save(tmp_path, name, image)
    (found,) = shown(pictures(tmp_path))
    assert np.abs(found.astype(float) - expected).max() <= 3


def test_a_photograph_stands_as_its_camera_was_held(tmp_path):
    image = Image.fromarray(smooth(12, 10))
    exif = image.getexif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "x.png", exif=exif)
    (found,) = shown(pictures(tmp_path))
    assert np.array_equal(found, np.rot90(smooth(12, 10), -1))


def test_what_is_broken_huge_or_of_unknown_numbers_is_counted_and_not_fatal(tmp_path, monkeypatch):
    save(tmp_path, "good.png")
    whole = save(tmp_path, "cut.png", Image.fromarray(smooth(60, 60))).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("no picture at all")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    save(tmp_path, "float.tiff", Image.fromarray(np.ones((4, 4), np.float32)))
    huge = bytearray(png(np.zeros((1, 1, 3), np.uint8)))
    huge[16:24] = (30_000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    (tmp_path / "huge.png").write_bytes(huge)
    found = pictures(tmp_path)
    assert len(found) == 1
    assert set(found.notes[1:]) == {
        "1 picture skipped: damaged",
        "2 pictures skipped: no picture",
        "1 picture skipped: no such file",
        "1 picture skipped: floating-point numbers, of which nobody says how bright they are",
        "1 picture skipped: more than 134 million pixels",
    }


def test_a_corpus_of_broken_pictures_alone_is_refused_with_what_is_wrong(tmp_path):
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(DataError, match=r"there is no picture in .*; 1 picture skipped: no picture"):
        pictures(tmp_path)


def test_larger_pictures_are_reduced_and_smaller_ones_stay(tmp_path):
    save(tmp_path, "a.png", Image.fromarray(smooth(200, 100)))
    save(tmp_path, "b.jpg", Image.fromarray(smooth(300, 400)))
    save(tmp_path, "c.png", Image.fromarray(smooth(20, 30)))
    found = pictures(tmp_path, 32)
    assert [x.shape for x in shown(found)] == [(64, 32, 3), (32, 43, 3), (20, 30, 3)]
    expected = Image.fromarray(smooth(300, 400)).resize((43, 32), Image.Resampling.BICUBIC)
    assert np.abs(shown(found)[1].astype(float) - np.asarray(expected)).mean() < 4


def test_of_a_very_long_picture_the_middle_is_kept_and_that_is_said(tmp_path):
    save(tmp_path, "a.png", Image.fromarray(smooth(10, 100)))
    found = pictures(tmp_path)
    assert np.array_equal(shown(found)[0], smooth(10, 100)[:, 30:70])
    assert "1 picture so long that only the middle is kept" in found.notes


def test_pictures_come_in_their_order_from_any_number_of_processes():
    encoded = [png(smooth(8 + i % 5, 9, i)) for i in range(40)]
    for processes in (1, 3):
        found = [x.pixels for x in decoding.decode(encoded, None, processes)]
        assert all(np.array_equal(x, smooth(8 + i % 5, 9, i)) for i, x in enumerate(found))


FALLS = """
import os, sys
sys.path[:] = {path!r}
from diptych.data.images import worker
decoded = worker.decoded
worker.decoded = lambda raw, short: os._exit(9) if raw == b"x" else decoded(raw, short)
worker.serve(sys.stdin.buffer, sys.stdout.buffer)
"""


def test_a_picture_that_brings_the_decoder_down_is_one_that_cannot_be_read(monkeypatch):
    monkeypatch.setattr(decoding, "START", FALLS)
    found = [*decoding.decode([png(smooth(4, 4)), b"x", png(smooth(5, 5))], None, 1)]
    assert [x.pixels is None for x in found] == [False, True, False]
    assert found[1].reason == "the decoder does not survive it"


def test_a_worker_says_why_there_are_no_pixels():
    asked = io.BytesIO(worker.ASKED.pack(b"b", 0, 3) + b"abc")
    told = io.BytesIO()
    worker.serve(asked, told)
    assert told.getvalue() == b"-" + (10).to_bytes(4, "little") + b"no picture"


# ---------------------------------------------------------------- tables


def rows():
    return [{"image": png(smooth(6, 6, i)), "label": i % 2, "label_name": "ab"[i % 2]} for i in range(4)]


def test_parquet_holds_pictures_as_bytes_or_in_the_layout_of_hugging_face(tmp_path):
    pq.write_table(pa.Table.from_pylist(rows()), tmp_path / "flat.parquet")
    nested = [row | {"image": {"bytes": row["image"], "path": None}} for row in rows()]
    pq.write_table(pa.Table.from_pylist(nested), tmp_path / "nested.parquet")
    for name in ("flat.parquet", "nested.parquet"):
        found = pictures(tmp_path / name)
        assert found.labels == ["a", "b", "a", "b"]
        assert all(np.array_equal(x, smooth(6, 6, i)) for i, x in enumerate(shown(found)))


def test_json_lines_hold_paths_beside_them_or_base64(tmp_path):
    save(tmp_path, "in/1.png", Image.fromarray(smooth(6, 6, 0)))
    lines = [{"file_name": "in/1.png", "label": "a"}, {"file_name": "in/2.png", "label": "b"}]
    (tmp_path / "paths.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = pictures(tmp_path / "paths.jsonl")
    assert (found.labels, found.notes[1]) == (["a"], "1 picture skipped: no such file")
    lines = [{"image": base64.b64encode(row["image"]).decode(), "split": "test"} for row in rows()] + [{"image": None}]
    (tmp_path / "bytes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = pictures(tmp_path / "bytes.jsonl")
    assert (len(found), found.part("test").tolist()) == (4, [0, 1, 2, 3])
    assert "1 picture skipped: null, or neither bytes nor a path" in found.notes


def test_paths_of_a_table_are_those_beside_it_and_as_they_are_now(tmp_path):
    for name, brightness in (("a", 10), ("b", 200)):
        save(tmp_path / name, "1.png", Image.fromarray(np.full((8, 8, 3), brightness, np.uint8)))
        lines = [json.dumps({"file_name": "1.png"}), json.dumps({"file_name": "2.png"})]
        (tmp_path / name / "t.jsonl").write_text("\n".join(lines))
    dark, light = (pictures(tmp_path / name / "t.jsonl") for name in "ab")
    assert [x.items[0].pixels.mean() for x in (dark, light)] == [10, 200]
    assert dark.fingerprint != light.fingerprint
    assert len(light) == 1
    for name in ("1.png", "2.png"):
        save(tmp_path / "b", name, Image.fromarray(np.full((8, 8, 3), 77, np.uint8)))
    assert [x.pixels.mean() for x in pictures(tmp_path / "b" / "t.jsonl").items] == [77, 77]


def test_a_null_in_the_first_row_is_a_picture_that_is_skipped(tmp_path):
    raw = png(smooth(8, 8, 1))
    pq.write_table(pa.table({"image": [None, raw, raw], "label": [1, 2, 3]}), tmp_path / "x.parquet")
    assert pictures(tmp_path / "x.parquet").labels == ["2", "3"]
    told = [{"image": None}, {"image": base64.b64encode(raw).decode(), "label": "cat"}]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, told)))
    found = pictures(tmp_path / "x.jsonl")
    assert found.labels == ["cat"]
    assert "1 picture skipped: null, or neither bytes nor a path" in found.notes


def test_columns_can_be_named(tmp_path):
    named = [{"look": row["image"], "other": row["image"], "kind": "k"} for row in rows()]
    pq.write_table(pa.Table.from_pylist(named), tmp_path / "x.parquet")
    assert pictures(tmp_path / "x.parquet", None, "other", "kind").labels == ["k"] * 4
    with pytest.raises(ValueError, match="there is no column 'colour'; there are 'look', 'other', 'kind'"):
        pictures(tmp_path / "x.parquet", None, "colour")


def test_a_table_without_pictures_is_refused(tmp_path):
    pq.write_table(pa.table({"text": ["a", "b"]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="no column holds pictures, as bytes or paths; there are 'text'"):
        pictures(tmp_path / "x.parquet")


def test_a_folder_of_hugging_face_datasets_is_read_with_its_splits_and_names(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["a", "b"]))
    split = [{"image": row["image"], "label": row["label"]} for row in rows()]
    whole = {
        name: datasets.Dataset.from_list([{**r, "image": {"bytes": r["image"], "path": None}} for r in part], features)
        for name, part in (("train", split[:3]), ("test", split[3:]))
    }
    datasets.DatasetDict(whole).save_to_disk(tmp_path / "saved")
    found = pictures(tmp_path / "saved")
    assert (found.labels, found.part("test").tolist()) == (["a", "b", "a", "b"], [3])
    assert np.array_equal(shown(found)[3], smooth(6, 6, 3))


# ---------------------------------------------------------------- arrays


def test_arrays_that_belong_together_are_found_by_their_names(tmp_path):
    x = np.stack([smooth(8, 8, i) for i in range(5)])
    masks, path = np.arange(5 * 64, dtype=np.uint8).reshape(5, 8, 8), tmp_path / "x.npz"
    np.savez(path, x_train=x[:3], y_train=[1, 0, 1], m_train=masks[:3], x_test=x[3:], y_test=[0, 0], m_test=masks[3:],
             names=["cat", "dog"])  # fmt: skip
    found = pictures(path)
    assert found.labels == ["dog", "cat", "dog", "cat", "cat"]
    assert found.part("test").tolist() == [3, 4]
    assert np.array_equal(np.stack(shown(found)), x)
    assert all(np.array_equal(found.map("mask", i), masks[i]) for i in range(5))
    chosen = found.select([4, 0])
    assert chosen.labels == ["cat", "dog"]
    assert np.array_equal(chosen.map("mask", 0), masks[4])


def test_maps_of_pictures_that_are_reduced_are_reduced_with_them_and_hold_no_new_number(tmp_path):
    masks = np.zeros((3, 24, 36), np.uint8)
    masks[:, :, 18:], masks[:, :12] = 7, 200
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 24, 36, 3), np.uint8), m=masks)
    found = pictures(tmp_path / "x.npz", 8)
    assert found.picture(0).pixels.shape == (8, 12, 3)
    assert found.map("mask", 2).tolist() == [[200] * 12] * 4 + [[0] * 6 + [7] * 6] * 4
    np.savez(tmp_path / "y.npz", x=np.zeros((3, 24, 36, 3), np.uint8), m=masks[:, :20])
    other = pictures(tmp_path / "y.npz", 8)
    assert not other.flat
    assert any("not all pictures have one of their size" in note for note in other.notes)


def test_the_number_of_pixels_without_a_class_is_told_of_masks_alone(tmp_path):
    x = np.zeros((2, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "x.npz", x=x, m=x[..., 0])
    assert pictures(tmp_path / "x.npz").ignore == 255
    assert pictures(tmp_path / "x.npz").ignoring(11).select([1]).ignore == 11
    np.savez(tmp_path / "y.npz", x=x)
    with pytest.raises(ValueError, match=r"11 is a number in masks, and no mask comes with the pictures of y\.npz"):
        pictures(tmp_path / "y.npz").ignoring(11)


@pytest.mark.parametrize(
    "x",
    [np.zeros((3, 8, 8), np.uint8), np.zeros((3, 3, 8, 9), np.float32), np.zeros((3, 8, 8, 4), np.uint8)],
    ids=["gray", "channels first", "alpha"],
)
def test_one_array_is_a_corpus_without_labels(x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    found = pictures(tmp_path / "x.npy")
    assert (len(found), found.labels, shown(found)[0].shape[2]) == (3, None, 3)


@pytest.mark.parametrize("y", [np.array([[1], [0], [1]]), np.array([[0, 1], [1, 0], [0, 1]])])
def test_classes_in_a_column_or_as_places_of_a_one_are_read(y, tmp_path):
    np.savez(tmp_path / "x.npz", x_train=np.zeros((3, 8, 8, 3), np.uint8), y_train=y)
    assert pictures(tmp_path / "x.npz").labels == ["1", "0", "1"]


def test_a_picture_of_an_array_that_cannot_be_is_skipped_and_why_is_told(tmp_path):
    x = np.full((4, 8, 8, 3), 0.5, np.float32)
    x[1, 0, 0, 0] = np.nan
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(4), extra=np.zeros(3))
    found = pictures(tmp_path / "x.npz")
    assert found.labels == ["0", "2", "3"]
    assert found.notes[-2:] == ["1 array not used: extra [3]", "1 picture skipped: a brightness is no number"]


def test_labels_that_are_no_classes_are_not_used_and_told(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 8, 8, 3), np.uint8), y=np.array([[1, 1], [0, 1], [0, 0]]))
    found = pictures(tmp_path / "x.npz")
    assert found.labels is None
    assert "1 array not used: y [3, 2]" in found.notes


def test_classes_of_another_part_are_told_to_be_unused(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=np.zeros((3, 8, 8, 3), np.uint8), y=np.arange(3))
    found = pictures(tmp_path / "x.npz")
    assert found.labels is None
    assert "1 array not used: y [3]" in found.notes


@pytest.mark.parametrize(
    ("told", "column", "said"),
    [
        ({"x": np.zeros((16, 16, 3), np.uint8)}, None, r"is one picture; write it as \[1, 16, 16, 3\]"),
        (
            {"x": np.linspace(0, 255, 384).reshape(2, 8, 8, 3)},
            None,
            "holds floats, which are from 0 to 1, and some are not",
        ),
        ({"x": np.zeros((2, 8, 8, 3), np.uint8)}, "y", "has arrays and no column 'y'; rename them to x and y"),
    ],
)
def test_arrays_that_mean_something_else_are_refused(told, column, said, tmp_path):
    np.savez(tmp_path / "x.npz", **told)
    with pytest.raises(ValueError, match=said):
        pictures(tmp_path / "x.npz", label_column=column)


def test_labels_that_do_not_match_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 8, 8, 3), np.uint8), y=[1, 2])
    with pytest.raises(DataError, match="'x' holds 3 pictures and 'y' has 2 rows; each has one"):
        pictures(tmp_path / "x.npz")


def test_arrays_that_are_no_pictures_or_pickled_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", z=np.zeros(3))
    with pytest.raises(DataError, match=r"no array holds pictures .*; there are 'z \[3\]'"):
        pictures(tmp_path / "x.npz")
    np.save(tmp_path / "y.npy", np.array([{}], object))
    with pytest.raises(DataError, match="it holds Python objects, and nothing is unpickled"):
        pictures(tmp_path / "y.npy")


def test_both_binary_versions_of_cifar_are_read(tmp_path):
    x = np.stack([smooth(32, 32, i) for i in range(3)])
    flat = x.transpose(0, 3, 1, 2).reshape(3, -1)
    ten, hundred = tmp_path / "ten", tmp_path / "hundred"
    ten.mkdir()
    hundred.mkdir()
    np.hstack([[[0], [1], [1]], flat]).astype(np.uint8).tofile(ten / "data_batch_1.bin")
    np.hstack([[[1]], flat[:1]]).astype(np.uint8).tofile(ten / "test_batch.bin")
    (ten / "batches.meta.txt").write_text("cat\ndog\n\n")
    np.hstack([[[9, 0], [9, 1], [9, 1]], flat]).astype(np.uint8).tofile(hundred / "train.bin")
    found = pictures(ten)
    assert (found.labels, found.part("test").tolist()) == (["cat", "dog", "dog", "dog"], [3])
    assert np.array_equal(np.stack(shown(found)[:3]), x)
    assert pictures(hundred).labels == ["0", "1", "1"]
    (ten / "data_batch_2.bin").write_bytes(b"123")
    with pytest.raises(DataError, match="no whole number of pictures"):
        pictures(ten)


# ---------------------------------------------------------------- what a path stands for


@pytest.mark.parametrize(
    ("name", "said"),
    [("x.doc", "of no known format for pictures"), ("x.pkl", "is a pickle"), ("data_batch_1", "is a pickle")],
)
def test_what_is_no_corpus_of_pictures_is_refused(name, said, tmp_path):
    (tmp_path / name).write_bytes(b"123")
    with pytest.raises(ValueError, match=said):
        pictures(tmp_path / name)


def test_a_path_that_is_not_there_is_told_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        pictures(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there is no picture in"):
        pictures(tmp_path / "empty")


def test_stored_pixels_are_mapped_and_cannot_be_changed(tmp_path):
    save(tmp_path, "1.png")
    picture = pictures(tmp_path)[0]["image"]
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0] = 0


def test_a_limit_of_pixels_holds_before_anything_is_decoded(monkeypatch):
    monkeypatch.setattr(decode, "MOST", 100)
    with pytest.raises(decode.Unreadable, match="more than"):
        decode.decoded(png(smooth(11, 10)))
