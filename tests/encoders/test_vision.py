import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from encoders.eyes import SMALL, TOKENS
from pictures.drawings import picture, smooth
from PIL import Image

from diptych import encoders
from diptych.core import Machine, Model, Optimiser, Perturb, Picture, Plan, Recipe, View
from diptych.draws import keys
from diptych.encoders.hidden import hidden
from diptych.encoders.image.scratch import NAMES, fresh
from diptych.encoders.image.vision import Vision
from diptych.objectives.infonce import InfoNCE
from diptych.train.batches import work
from diptych.train.memory import need
from diptych.train.step import backward
from diptych.views.input.image.crop import ResizedCrop
from diptych.views.input.image.mask import BlockMask
from diptych.views.input.then import Then
from diptych.views.network.dropout import Dropout
from diptych.views.network.pca import RemovePrincipal

FAMILIES = pytest.mark.parametrize("family", SMALL)


def some(n=6, side=16):
    return [picture(side, side, i) for i in range(n)]


class Photos:
    """Blotches of two shapes."""

    fingerprint = "photos"

    def __len__(self):
        return 12

    def __getitem__(self, i):
        return {"image": Picture(smooth(20, 24 + i % 2, i))}


# ---------------------------------------------------------------- what is saved


@FAMILIES
def test_a_saved_network_loads_again_and_embeds_alike(family, tmp_path):
    encoder = SMALL[family]().eval()
    encoder.save(tmp_path / "model")
    again = encoders.load(tmp_path / "model")
    assert np.array_equal(again.encode([x.pixels for x in some()]), encoder.embed(some()))
    assert (again.side, again.pooling, again.patch) == (encoder.side, encoder.pooling, encoder.patch)


@pytest.mark.parametrize("pooling", [None, "mean"])
@FAMILIES
def test_plain_transformers_loads_it_and_its_processor_and_embeds_alike(family, pooling, tmp_path, monkeypatch):
    from transformers import AutoImageProcessor, AutoModel, dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "code"))
    encoder = SMALL[family]().eval()
    encoder.precision, encoder.pooling = "fp32", pooling or encoder.pooling
    encoder.save(tmp_path / "model")
    network = AutoModel.from_pretrained(tmp_path / "model", trust_remote_code=family == "resnet").eval()
    processor = AutoImageProcessor.from_pretrained(tmp_path / "model")
    images = [Image.fromarray(smooth(20 + i, 30, i)) for i in range(4)]
    with torch.no_grad():
        found = network(**processor(images, return_tensors="pt"))
    told = json.loads((tmp_path / "model" / "diptych.json").read_text())["embedding"]
    plain = eval(f"found.{told}", {"found": found})
    ours = encoder.encode(images)
    assert np.abs(ours - plain.numpy()).max() < 0.05 * np.abs(ours).max()  # Pillow rounds pixels
    assert torch.nn.functional.cosine_similarity(torch.tensor(ours), plain).min() > 0.999


def test_where_the_embedding_is_is_told_of_a_network_whose_heads_differ_by_stage(tmp_path):
    from transformers import SwinConfig, SwinModel

    sizes = {"image_size": 32, "patch_size": 2, "embed_dim": 12, "depths": [1, 1], "num_heads": [2, 2]}
    encoder = Vision(SwinModel(SwinConfig(**sizes, window_size=4)), 32)
    encoder.precision = "fp32"
    encoder.train()
    assert encoder.embedding == "last_hidden_state[:, 0:].mean(1)"
    assert encoder.training
    x = torch.zeros(1, 3, 32, 32)
    with torch.no_grad():
        plain = encoder.eval().network(pixel_values=x).last_hidden_state[:, 0:].mean(1)
    ours = encoder.network(pixel_values=x).last_hidden_state
    assert torch.equal(encoder._pooled(ours), plain)


def test_a_stem_for_small_pictures_is_refused_by_transformers_that_runs_no_code_and_read_by_us(tmp_path, monkeypatch):
    from transformers import AutoModel

    SMALL["resnet"]().save(tmp_path / "model")
    monkeypatch.setattr("builtins.input", lambda _: "n")
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        AutoModel.from_pretrained(tmp_path / "model")
    (tmp_path / "model" / "small_resnet.py").write_text("raise RuntimeError('was run')")
    assert encoders.load(tmp_path / "model").network.embedder.embedder.convolution.kernel_size == (3, 3)


def test_a_stem_that_was_saved_without_code_is_read_and_saved_with_it(tmp_path):
    SMALL["resnet"]().save(tmp_path / "model")
    shutil.copytree(tmp_path / "model", tmp_path / "old")
    (tmp_path / "old" / "small_resnet.py").unlink()
    told = json.loads((tmp_path / "old" / "config.json").read_text())
    del told["auto_map"]
    before = {"model_type": "resnet", "architectures": ["ResNetModel"], "stem": "cifar"}
    (tmp_path / "old" / "config.json").write_text(json.dumps(told | before))
    encoders.load(tmp_path / "old").save(tmp_path / "again")
    for name in ("config.json", "small_resnet.py", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_code_that_is_saved_needs_nothing_of_ours(tmp_path):
    SMALL["resnet"]().save(tmp_path / "model")
    code = """
import sys
sys.modules["diptych"] = None  # cannot be imported
from transformers import AutoModel
print(type(AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True)).__name__)
"""
    told = os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    asked = [sys.executable, "-c", code, str(tmp_path / "model")]
    done = subprocess.run(asked, capture_output=True, text=True, env=told, check=False)
    assert done.stdout.strip() == "SmallResNetModel", done.stderr


def test_a_stem_for_small_pictures_is_saved_again_after_loading(tmp_path):
    SMALL["resnet"]().save(tmp_path / "model")
    encoders.load(tmp_path / "model").save(tmp_path / "again")
    for name in ("config.json", "small_resnet.py", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_options_of_text_are_refused_for_a_vision_network(tmp_path):
    SMALL["vit"]().save(tmp_path / "model")
    assert encoders.load(tmp_path / "model", pooling="mean").pooling == "mean"
    with pytest.raises(ValueError, match="max_tokens: choices for a transformer"):
        encoders.load(tmp_path / "model", max_tokens=8)


# ---------------------------------------------------------------- from scratch


@pytest.mark.parametrize("name", NAMES)
def test_every_name_makes_a_network_that_the_seed_decides(name):
    options = {"width": 8} if name.startswith("resnet") else {"width": 16, "depth": 1}
    one, same, other = (fresh(name, 16, seed, **options).eval().embed(some(2)) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)


def test_sizes_are_those_of_the_papers():
    assert [(e.dim, len(e.layers)) for e in (fresh("vit-tiny", 32), fresh("dinov2-small", 32))] == [
        (192, 13),
        (384, 13),
    ]
    small, large = fresh("resnet18", 32), fresh("resnet50", 224)
    assert (small.dim, large.dim, len(small.layers)) == (512, 2048, 5)
    assert sum(p.numel() for p in small.parameters()) == 11_168_832  # 11,173,962 of ten classes, less 5,130 of them
    assert sum(p.numel() for p in large.parameters()) == 23_508_032  # torchvision's 25,557,032, less 2,049,000
    assert [fresh("vit-tiny", side, depth=1).patch for side in (32, 64, 96, 224)] == [4, 8, 8, 16]
    assert fresh("dinov2-tiny", 224, depth=1).patch == 14


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("vit-huge", {}, "no network is called 'vit-huge'"),
        ("vit-tiny", {"patch": 5}, "patches of 5 pixels do not fill a side of 32"),
        ("vit-tiny", {"registers": 4}, "--registers 4 is for another kind"),
        ("resnet18", {"patch": 4}, "--patch 4 is for another kind"),
        ("dinov2-tiny", {"drop_path": 1.0}, "stochastic depth is in"),
        ("dinov2-tiny", {"width": 200}, "3 attention heads do not divide a width of 200"),
        ("resnet18", {"stem": "none"}, "a stem is one of"),
    ],
)
def test_what_makes_no_network_is_refused(name, options, said):
    with pytest.raises(ValueError, match=said):
        fresh(name, 32, **options)


# ---------------------------------------------------------------- pictures in


def test_paths_bytes_images_and_arrays_are_the_same_picture(tmp_path):
    pixels, encoder = smooth(16, 16), SMALL["vit"]().eval()
    Image.fromarray(pixels).save(tmp_path / "x.png")
    raw = [
        tmp_path / "x.png",
        str(tmp_path / "x.png"),
        (tmp_path / "x.png").read_bytes(),
        Image.fromarray(pixels),
        pixels,
        pixels / 255,
        np.dstack([pixels, np.full((16, 16), 255, np.uint8)]),
        Picture(pixels),
    ]
    rows = encoder.encode(raw)
    assert np.abs(rows - rows[0]).max() < 1e-6


def test_pictures_of_several_sizes_are_embedded_each_as_if_alone():
    encoder = SMALL["vit"]().eval()
    encoder.precision = "fp32"
    mixed = [picture(16, 16, i, out=(s, s)) for i, s in enumerate([16, 8, 32, 8, 16, 32, 24])]
    rows = encoder.embed(mixed)
    for one, row in zip(mixed, rows, strict=True):
        assert np.abs(encoder.embed([one])[0] - row).max() < 1e-5


def test_a_large_picture_is_held_as_small_as_the_network_wants_it():
    (held,) = SMALL["vit"]().prepare([smooth(300, 200)])
    assert held.pixels.shape == (16, 16, 3)


def test_a_side_that_patches_do_not_fill_is_refused():
    with pytest.raises(ValueError, match="patches of 4 pixels do not fill a side of 18; choose one that 4 divides"):
        SMALL["vit"]().filled(18)


# ---------------------------------------------------------------- layers


@FAMILIES
def test_a_stop_reaches_only_the_layers_above_it_at_every_layer(family):
    encoder = SMALL[family]()
    for layer in range(len(encoder.layers) + 1):
        model = Model(encoder, torch.nn.Linear(encoder.dim, 4)).train()
        model.zero_grad()
        batch = encoder.collate(some(4)) | {"key": torch.from_numpy(keys(0, 0, range(4), 0))}
        model(batch, Perturb(layer, Dropout(0.5), 1.0)).projection.square().sum().backward()
        moved = [any(p.grad is not None and p.grad.any() for p in part.parameters()) for part in model.layers]
        assert not any(moved[: layer + 1])
        assert all(moved[layer + 1 :])


@FAMILIES
def test_every_layer_can_lose_a_principal_direction(family):
    encoder = SMALL[family]().eval()
    batch = encoder.collate(some()) | {"key": torch.from_numpy(keys(0, 0, range(6), 0))}
    plain = Model(encoder)(batch).embedding
    for layer in range(len(encoder.layers)):
        found = Model(encoder)(batch, Perturb(layer, RemovePrincipal(1), 1.0)).embedding
        assert found.shape == plain.shape
        assert not torch.allclose(found, plain, atol=1e-5)


@FAMILIES
def test_hidden_states_of_every_layer_are_one_vector_for_each_picture(family):
    encoder = SMALL[family]().eval()
    assert [len(x) for x in hidden(encoder, some())] == [6] * len(encoder.layers)


@FAMILIES
def test_what_is_frozen_does_not_learn_and_keeps_its_running_means(family):
    encoder = SMALL[family]()
    encoder.freeze(1)
    before = {k: x.clone() for k, x in encoder.state_dict().items()}
    encoder.train()(encoder.collate(some())).square().sum().backward()
    torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], 0.1).step()
    moved = {k for k, x in encoder.state_dict().items() if not torch.equal(x, before[k])}
    last = {
        f"network.{k}" for k, _ in encoder.network.named_parameters() if k.startswith(("encoder.layer.1.", "layers.1."))
    }
    last |= {f"network.{k}" for k in encoder.network.state_dict() if k.startswith("encoder.stages.3.")}
    assert moved <= last | {"network.layernorm.weight", "network.layernorm.bias"}
    assert moved & last


# ---------------------------------------------------------------- patches


@pytest.mark.parametrize("family", TOKENS)
def test_the_states_of_patches_come_last_and_row_by_row(family):
    encoder = SMALL[family]().eval()
    seen = []
    encoder.patches.register_forward_hook(lambda _, __, out: seen.append(out))
    batch = encoder.collate(some(1))
    changed = {**batch, "pixels": batch["pixels"].clone()}
    changed["pixels"][0, 4:8, 8:12] = 255
    embedded = [family_embedding(encoder, x) for x in (batch, changed)]
    differing = (embedded[0] != embedded[1]).any(-1)[0].nonzero().flatten().tolist()
    assert encoder.before + 4 * 1 + 2 in differing  # the third patch of the second row
    assert seen[0].shape == (1, encoder.before + 16, 16)


def family_embedding(encoder, batch):
    """What the input embedding puts out."""
    out = []
    handle = encoder.layers[0].register_forward_hook(lambda _, __, x: out.append(x))
    with torch.no_grad():
        encoder(batch)
    handle.remove()
    return out[0]


@pytest.mark.parametrize("family", ["dinov2", "registers"])
def test_of_hidden_patches_the_network_sees_only_where_they_are(family):
    encoder = SMALL[family]().eval()
    torch.nn.init.normal_(encoder.layers[0].mask_token)
    mask = np.zeros((4, 4), bool)
    mask[:, 2:] = True
    one = smooth(16, 16)
    other = one.copy()
    other[:, 10:] = 0  # a cubic filter of a picture as it is reaches no further than its own pixel
    masked = [Picture(x, Plan(mask=mask)) for x in (one, other)]
    with torch.no_grad():
        same = encoder(encoder.collate(masked))
        seen = encoder(encoder.collate([Picture(x) for x in (one, other)]))
    assert torch.allclose(same[0], same[1], atol=1e-6)
    assert not torch.allclose(seen[0], seen[1], atol=1e-4)
    first = family_embedding(encoder, encoder.collate(masked[:1]))
    encoder.layers[0].mask_token.data += 1
    moved = (family_embedding(encoder, encoder.collate(masked[:1])) - first)[0, encoder.before :]
    assert torch.allclose(moved, torch.from_numpy(mask.reshape(-1, 1)).float().expand_as(moved), atol=1e-5)


@pytest.mark.parametrize("family", ["vit", "resnet"])
def test_a_network_without_a_token_for_what_is_hidden_says_so(family):
    encoder = SMALL[family]()
    with pytest.raises(ValueError, match="has no token for what is hidden"):
        encoder(encoder.collate([picture(16, 16, mask=np.ones((4, 4), bool))]))


def test_a_network_of_convolutions_has_no_patches():
    with pytest.raises(ValueError, match="has no patches"):
        SMALL["resnet"]().patches  # noqa: B018


# ---------------------------------------------------------------- noise, and batches


def deep(rate=0.5):
    return fresh("dinov2-tiny", 16, patch=4, width=16, depth=3, layer_scale=1.0, drop_path=rate)


def test_stochastic_depth_is_decided_by_the_sample_and_not_by_its_batch():
    encoder = deep().train()
    key = torch.from_numpy(keys(0, 0, range(6), 0))
    with torch.no_grad():
        whole = encoder(encoder.collate(some()) | {"key": key})
        parts = [encoder(encoder.collate(some()[a : a + 2]) | {"key": key[a : a + 2]}) for a in (0, 2, 4)]
        assert torch.allclose(torch.cat(parts), whole, atol=1e-5)
        assert not torch.allclose(encoder(encoder.collate(some()) | {"key": key + 1}), whole, atol=1e-3)
        assert torch.equal(encoder.eval()(encoder.collate(some())), deep(0.0).eval()(encoder.collate(some())))
    assert deep().noisy
    assert not deep(0.0).noisy


def test_stochastic_depth_leaves_out_branches_at_its_rate_each_for_itself():
    encoder, kept = deep(0.25).train(), []
    for block in encoder.layers[1:]:
        block.drop_path.register_forward_hook(lambda _, args, out: kept.append((out / args[0]).flatten(1).mean(1)))
    many = [picture(16, 16, i % 7) for i in range(600)]
    with torch.no_grad():
        encoder(encoder.collate(many) | {"key": torch.from_numpy(keys(0, 0, range(600), 0))})
    factors = torch.stack(kept)
    assert factors.shape == (6, 600)
    assert ((factors > 0).float().mean(1) - 0.75).abs().max() < 0.06
    assert factors[factors > 0].median() == pytest.approx(4 / 3, rel=1e-3)
    assert (torch.corrcoef((factors > 0).float()) - torch.eye(6)).abs().max() < 0.15


def test_blocks_that_are_computed_again_leave_out_the_same_branches():
    grads = []
    for recompute in (False, True):
        encoder = deep().train()
        encoder.recompute = recompute
        encoder(encoder.collate(some()) | {"key": torch.from_numpy(keys(0, 0, range(6), 0))}).square().sum().backward()
        grads.append(torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None]))
    assert torch.allclose(*grads, atol=1e-6)


def recipe(encoder, **settings):
    large = Then(ResizedCrop(16, (0.4, 1.0)), BlockMask(4))
    small = ResizedCrop(8, (0.1, 0.4))
    views = [View(transform=x, column="image") for x in (large, large)] + [View("local", "image", small)]
    made = {"views": views, "data": Photos(), "optimiser": Optimiser(0.1), "batch": 6, "steps": 2} | settings
    return Recipe(Model(encoder), objective=InfoNCE(), **made)


def gradient(made, machine, graph=1 << 62):
    made.model.zero_grad()
    made.model.train()
    backward(made.model, made.objective, made.views, work(made, 0, machine), graph=graph)
    return torch.cat([p.grad.flatten() for p in made.model.parameters() if p.grad is not None])


def test_the_gradient_does_not_depend_on_the_micro_batch_with_crops_of_two_sizes():
    made = recipe(deep(0.3))
    whole = gradient(made, Machine())
    for tokens, graph in ((40, 1 << 62), (40, 0), (17, 0)):
        part = gradient(made, Machine(tokens=tokens), graph)
        assert float((part - whole).norm() / whole.norm()) < 1e-5


def test_crops_of_two_sizes_are_never_in_one_micro_batch():
    sizes = [micro.batch["canvas"].shape[1:] for micro in work(recipe(deep()), 0, Machine()).model]
    assert [tuple(size) for size in sizes] == [(16, 16), (8, 8)]


def test_what_normalises_over_the_batch_sees_all_pictures_of_a_size_at_once():
    made = recipe(SMALL["resnet"](), views=[View(transform=ResizedCrop(s), column="image") for s in (16, 16, 8)])
    assert [len(micro.place) for micro in work(made, 0, Machine(tokens=4)).model] == [12, 6]
    made.model.encoder.freeze(1)
    assert len(work(made, 0, Machine(tokens=4)).model) == 2


def test_asking_how_much_memory_training_takes_leaves_running_means_as_they_are():
    made = recipe(SMALL["resnet"](), views=[View(transform=ResizedCrop(16), column="image")] * 2)
    before = {k: x.clone() for k, x in made.model.state_dict().items()}
    assert need(made, Machine(device="cpu")).estimate.activations > 0
    assert all(torch.equal(x, before[k]) for k, x in made.model.state_dict().items())
