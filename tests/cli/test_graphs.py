import json
import re

import numpy as np
import pytest

MANY = "families:n=40:nodes=12:degree=2"
SMALL = ("--width", 4, "--depth", 2, "--batch", 8, "--steps", 3)


def test_a_corpus_of_graphs_is_trained_on_judged_and_embedded(diptych, tmp_path):
    code, out, err = diptych("train", "graphcl", "--corpus", MANY, "--out", "run", *SMALL)
    assert code == 0, err
    assert "40 graphs from families" in err
    assert "nodes are described by the number 1 for every node" in err
    assert "families svm graphcl" in out
    assert f"judge it:  diptych evaluate run {MANY}" in out
    assert (tmp_path / "run" / "report.html").exists()

    code, out, err = diptych("evaluate", "run", MANY, "--protocol", "pygcl", "--seed", 3, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert {*told["scores"]} == {"model", "untrained", "degrees", "Weisfeiler-Lehman"}
    assert {*told["scores"]["model"]} == {"families_svm_pygcl", "families_svm_pygcl_macro_f1"}

    code, _, err = diptych("embed", "run", MANY, "--out", "x.npy")
    assert code == 0, err
    assert np.load(tmp_path / "x.npy").shape == (40, 8)


def test_a_network_is_seen_from_inside_layer_by_layer(diptych, tmp_path):
    assert diptych("train", "graphcl", "--corpus", MANY, "--out", "run", "--features", "degree", *SMALL)[0] == 0
    code, out, err = diptych("analyse", "run", "--json")
    assert code == 0, err
    told = json.loads(out)
    model, start = told["models"]
    assert [layer["width"] for layer in model["layers"]][1:] == [4, 4]
    assert len(model["alike"]) == 3
    assert model["change"]["weights"][1] > 0
    assert all(0 <= layer["scores"]["knn"] <= 1 for layer in model["layers"])
    assert start["change"] is None
    assert "40 graphs" in err
    assert (tmp_path / "analysis.html").exists()


def test_networks_that_know_other_labels_are_each_told_the_corpus(diptych, tmp_path):
    """One knows four labels of nodes, the other two; the corpus has these two."""

    def write(name, labels):
        lines = []
        for i in range(24):
            named = [labels[(i + k) % len(labels)] for k in range(12)]
            edges = [[k, k + 1] for k in range(11)] + [[0, 2 + i % 8]]
            lines.append({"edges": edges, "node_labels": named, "label": i % 2})
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))

    write("many.jsonl", "CNOS")
    write("few.jsonl", "CN")
    for name in ("many", "few"):
        assert diptych("train", "graphcl", "--corpus", f"{name}.jsonl", "--out", name, *SMALL)[0] == 0
    for order in (("many/model", "few/model"), ("few/model", "many/model")):
        code, out, err = diptych("analyse", *order, "--corpus", "few.jsonl", "--json")
        assert code == 0, err
        assert len(json.loads(out)["models"]) == 4


def test_the_page_of_a_run_speaks_of_graphs(diptych, tmp_path):
    assert diptych("train", "graphcl", "--corpus", MANY, "--out", "run", "--features", "degree", *SMALL)[0] == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "graphs seen" in page
    assert "Map of " in page
    assert not re.search('documents(?!")', page)
    code, _, err = diptych("analyse", "run", "--texts", 3)
    assert code == 2
    assert "--texts is 4 or more" in err


def test_what_does_not_go_with_graphs_is_said(diptych, tmp_path):
    assert diptych("train", "graphcl", "--corpus", MANY, "--out", "run", "--features", "degree", *SMALL)[0] == 0
    code, _, err = diptych("evaluate", "run", MANY, "--only", "knn")
    assert code
    assert "--only belongs to judging on documents, and this call judges on graphs" in err
    code, _, err = diptych("embed", "run", MANY, "--out", "x.parquet", "--text")
    assert code
    assert "--text puts texts beside vectors, and this corpus holds graphs; leave it out" in err
    code, _, err = diptych("search", "run", MANY, "triangle")
    assert code
    assert "a query is a text or a picture, and the model is a network for graphs" in err
    code, _, err = diptych("embed", "run", MANY, "--out", "x.npy", "--text-column", "text")
    assert code
    assert "graphs, which have no columns" in err
    (tmp_path / "docs.txt").write_text("One text.\nAnother text.\n")
    assert diptych("train", "crop", "--corpus", "docs.txt", "--out", "text", "--dim", 8, "--steps", 2)[0] == 0
    code, _, err = diptych("evaluate", "text", "docs.txt", "--protocol", "pygcl")
    assert code
    assert "--protocol belongs to judging on graphs, and this call judges on documents" in err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing.npz", "there is no file or folder nothing.npz; a corpus of graphs is a TU folder"),
        ("bad.npz", "bad.npz is no file of graphs: it lacks 'edge_index', 'node_ptr', 'edge_ptr'"),
        ("data.pt", "data.pt is no data set of PyTorch Geometric that can be read without running code of its own"),
        ("data.pkl", "data.pkl is a pickle, which can run any code"),
    ],
)
def test_what_is_no_corpus_of_graphs_ends_in_one_line(name, said, diptych, tmp_path):
    np.savez(tmp_path / "bad.npz", x=np.zeros(3))
    for pickle in ("data.pt", "data.pkl"):
        (tmp_path / pickle).write_bytes(b"x")
    code, _, err = diptych("train", "graphcl", "--corpus", name, *SMALL)
    assert code
    assert said in err


def test_graphs_are_looked_at_before_training(diptych):
    code, out, err = diptych("doctor", "graphcl", "--corpus", MANY, *SMALL)
    assert code == 0, err
    assert "pairs identical" in out
    assert "ok    padding" in out
