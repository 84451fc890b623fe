import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from diptych.cli import run
from diptych.data.images.corpus import pictures

WORLD = "world:n=40:size=16"


@pytest.fixture
def trained(tmp_path, capsys):
    out = str(tmp_path / "run")
    call = ["train", "simclr", "--corpus", WORLD, "--width", "4", "--batch", "8", "--steps", "2", "--out", out]
    assert run([*call, "--scale", "0.3", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "world_weighted_knn" in told["scores"]["model"]
    return out


def test_a_run_can_be_repeated_from_its_call_and_used_to_embed_search_and_judge(trained, tmp_path, capsys):
    assert run(["train", f"{trained}/run.toml", "--out", str(tmp_path / "again"), "--json"]) == 0
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("run", "again")]
    assert weights[0] == weights[1]

    assert run(["embed", trained, WORLD, "--out", str(tmp_path / "x.npy"), "--json"]) == 0
    assert np.load(tmp_path / "x.npy").shape == (40, 32)

    Image.fromarray(pictures(WORLD).picture(7).pixels).save(tmp_path / "seven.png")
    capsys.readouterr()
    assert run(["search", trained, WORLD, str(tmp_path / "seven.png"), "--k", "3", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert (answer["documents"][0]["document"], answer["documents"][0]["picture"]) == (7, "world 7")
    assert run(["search", trained, WORLD, str(tmp_path / "seven.png")]) == 0
    assert "world 7" in capsys.readouterr().out

    assert run(["evaluate", trained, WORLD, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["scores"]
    assert {*told} == {"model", "untrained", "pixels"}
    kinds = ("weighted_knn", "linear", "mean_iou", "rmse", "delta1", "invariance", "cosine_within", "cosine_between")
    assert all([*row] == [f"world_{kind}" for kind in kinds] for row in told.values())

    assert run(["evaluate", trained, WORLD, "--ignore", "0"]) == 0
    assert "pixels of number 0 have none (another: --ignore)" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [".jsonl", ".parquet"])
def test_a_row_says_which_picture_it_is_of(kind, trained, tmp_path):
    for i in (1, 2, 3):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(pictures(WORLD).picture(i).pixels).save(tmp_path / "photos" / f"{i}.png")
    (tmp_path / "photos" / "2.png").write_bytes(b"broken")
    out = tmp_path / f"x{kind}"
    assert run(["embed", trained, str(tmp_path / "photos"), "--out", str(out)]) == 0
    if kind == ".jsonl":
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    else:
        rows = pq.read_table(out).to_pylist()
    assert [(row["document"], row["picture"]) for row in rows] == [(0, "1.png"), (1, "3.png")]


def test_a_grid_of_heads_is_asked_where_it_is_wanted(trained, tmp_path, capsys):
    rng = np.random.default_rng(0)
    told = {f"x_{part}": rng.integers(0, 255, (24, 16, 16, 3)).astype(np.uint8) for part in ("train", "test")}
    classes = {"y_train": np.arange(24) % 2, "y_test": np.arange(24) % 2}
    np.savez(tmp_path / "parts.npz", **told, **classes)
    np.savez(tmp_path / "apart.npz", **told, **classes | {"y_test": np.arange(24) % 2 + 7})
    assert run(["evaluate", trained, str(tmp_path / "parts.npz"), "--grid", "--json"]) == 0
    assert "parts_linear_grid" in json.loads(capsys.readouterr().out)["scores"]["model"]
    assert run(["evaluate", trained, str(tmp_path / "apart.npz"), "--json"]) == 0
    said = capsys.readouterr()
    assert "apart_linear_grid" not in json.loads(said.out)["scores"]["model"]
    assert "No class of the training part is in the test part, so the parts are not asked." in said.err


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["search", "RUN", WORLD, "none.png"], "none.png cannot be read as a picture: no such file"),
        (["embed", "RUN", WORLD, "--out", "x.jsonl", "--text"], "this corpus holds pictures"),
        (
            ["evaluate", "RUN", WORLD, "--only", "knn"],
            "--only belongs to judging on documents, and this call judges on pictures",
        ),
        (["analyse", "RUN", "--sts", "."], "--sts has pairs of sentences, and RUN is of pictures"),
        (["embed", "RUN", "world:n=0", "--out", "x.npy"], "n of a world is from 2"),
        (["evaluate", "RUN", "plain.npy", "--ignore", "3"], "3 is a number in masks, and no mask comes with"),
        (["evaluate", "RUN", "--suite", "sts", "--data", ".", "--ignore", "3"], "--ignore belongs to judging on"),
        (["evaluate", "RUN", "--suite", "sts", "--data", ".", "--grid"], "--grid belongs to judging on"),
    ],
)
def test_what_cannot_be_asked_of_pictures_is_told(call, said, trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("plain.npy", np.zeros((4, 8, 8, 3), np.uint8))
    assert run([trained if word == "RUN" else word for word in call]) != 0
    assert said.replace("RUN", trained) in capsys.readouterr().err


def test_an_encoder_is_seen_from_inside_stage_by_stage(trained, tmp_path, capsys):
    page = tmp_path / "inside.html"
    assert run(["analyse", trained, "--out", str(page), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    model, start = told["models"]
    assert (told["noun"], told["documents"], told["pairs"], len(model["layers"])) == ("picture", 40, 40, 5)
    assert model["change"]["against"] == start["name"]
    assert all(layer["scores"]["effective_rank"] > 1 for layer in model["layers"])
    assert all(layer["scores"]["knn"] is not None for layer in model["layers"])
    text = page.read_text()
    assert "Embeddings of 40 pictures fill" in text
    assert "pairs of augmentations" in text
    assert "documents" not in text.replace('getElementById("documents")', "")
    assert run(["analyse", trained, "--out", str(page)]) == 0
    assert "Embeddings of 40 pictures fill" in capsys.readouterr().out


def test_pictures_are_counted_as_pictures(trained, tmp_path, capsys):
    page = (tmp_path / "run" / "report.html").read_text()
    assert "pictures seen" in page
    assert "tokens" not in page
    assert run(["compare", trained, "--out", str(tmp_path / "x.html"), "--json"]) == 0
    (group,) = json.loads(capsys.readouterr().out)["groups"].values()
    assert (group["cost"]["samples"], group["cost"]["tokens"]) == (16, None)
    assert group["cost"]["samples_per_second"] == pytest.approx(16 / group["cost"]["seconds"])


def test_models_of_different_things_are_not_set_side_by_side(trained, tmp_path, capsys):
    graphs = ["train", "graphcl", "--corpus", "families:n=20", "--width", "4", "--batch", "8", "--steps", "2"]
    assert run([*graphs, "--out", str(tmp_path / "net")]) == 0
    capsys.readouterr()
    assert run(["analyse", trained, str(tmp_path / "net")]) != 0
    said = f"{trained} is for pictures and {tmp_path / 'net'} for graphs; models are looked at with one corpus"
    assert said in capsys.readouterr().err


def test_checkpoints_of_pictures_are_not_ranked_by_crops_of_documents(tmp_path, capsys, monkeypatch):
    out = str(tmp_path / "run")
    call = ["train", "simclr", "--corpus", WORLD, "--width", "4", "--batch", "8", "--steps", "2", "--out", out]
    assert run([*call, "--snapshots", "2"]) == 0
    assert run(["choose", out]) != 0
    assert f"{out} is of pictures, and checkpoints are ranked by crops of documents" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert run(["analyse", f"{out}/snapshots/000000002"]) == 0  # with the pictures of the run that it is of


def test_the_column_of_pictures_has_the_name_that_training_gives_it(trained, tmp_path, capsys):
    Image.fromarray(pictures(WORLD).picture(1).pixels).save(tmp_path / "one.png")
    line = json.dumps({"image": "none.png", "shot": "one.png"})
    (tmp_path / "x.jsonl").write_text(f"{line}\n{line}\n")
    call = ["embed", trained, str(tmp_path / "x.jsonl"), "--image-column", "shot", "--out", str(tmp_path / "x.npy")]
    assert run(call) == 0
    assert len(np.load(tmp_path / "x.npy")) == 2


def test_the_doctor_looks_at_pictures(capsys):
    assert run(["doctor", "simclr", "--corpus", WORLD, "--width", "4", "--batch", "8", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {each["check"] for each in findings} >= {"views", "memory"}
    told = " ".join(f"{each['told']} {each['remedy']}" for each in findings)
    assert "(other pictures " in told
    assert "17 % of 40 pictures" in told or "18 % of 40 pictures" in told
    assert not [word for word in ("text", "document", "words") if word in told]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--augmentation", "none"], "augmentation"),
        (["--encoder", "vit-tiny", "--patch", "5"], "patches of 5 pixels"),
        (["--encoder", "vit-giant"], "vit-giant"),
        (["--batch", "1"], "at least two pictures"),
        (["--ignore", "many"], "--ignore"),
        (["--augmentation", "crop", "--blur-p", "1"], "--blur-p changes nothing with --augmentation crop"),
    ],
)
def test_bad_options_are_told_before_anything_is_trained(options, said, tmp_path, capsys):
    call = ["train", "simclr", "--corpus", WORLD, "--out", str(tmp_path / "run"), "--width", "16"]
    assert run([*call, *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
