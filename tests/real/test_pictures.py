"""Tasks on photographs: patches that know more than their place are read, and random ones do not do well by chance."""

import numpy as np
import pytest
import torch

from diptych.core import Encoder, Picture
from diptych.data.images.corpus import pictures as corpus_of
from diptych.evaluate.images import classes, depth, segmentation
from diptych.pictures import plan
from diptych.pictures.render import render

pytestmark = [pytest.mark.real]


class Filters(Encoder):
    """Random filters of eight by eight pixels, rectified: it has learned nothing, but sees colours and edges."""

    dim, side, patch, before, pooling, waste = 64, 96, None, 0, "mean", 0.0

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, self.dim, 8, 8)
        generator = torch.Generator().manual_seed(0)
        torch.nn.init.normal_(self.stem.weight, std=0.1, generator=generator)
        torch.nn.init.zeros_(self.stem.bias)
        self.block = torch.nn.ReLU()

    @property
    def layers(self):
        return [self.stem, self.block]

    def prepare(self, raw):
        return [x if isinstance(x, Picture) else Picture(x) for x in raw]

    def size(self, sample):
        h, w = plan.size(sample, self.side)
        return h * w // 64

    def collate(self, samples):
        return plan.tensors(samples, self.side)

    def forward(self, batch):
        return self.block(self.stem(render(batch) - 0.5)).mean((2, 3))

    def save(self, folder):
        raise NotImplementedError


def scores(task):
    return {line.metric: line for line in task.score(Filters())}


def test_ten_classes_of_photographs_are_told_apart_better_than_by_chance(shared_data):
    task = classes.task(corpus_of(shared_data / "images" / "cifar10_ci.npz"))
    found = scores(task)
    assert found["weighted_knn"].n == 1000
    assert 15 < found["weighted_knn"].value < 40
    assert 20 < found["linear"].value < 45
    assert {"airplane", "truck"} < {*task.data.truth["test"].tolist()}


def test_road_scenes_are_segmented_better_than_by_the_commonest_class(shared_data):
    task = segmentation.task(corpus_of(shared_data / "images" / "camvid_ci.npz"), ignore=11)
    assert task.classes == 11
    found = scores(task)
    assert found["mean_iou"].value > 2 * found["majority_iou"].value
    assert 40 < found["pixel_accuracy"].value < 90


def test_the_depth_of_frames_is_read_better_than_by_one_depth_for_all(shared_data):
    task = depth.task(corpus_of(shared_data / "images" / "rgbd_ci.npz"))
    depths = np.concatenate([x[x > 0] for x in task.data.truth.values()])
    assert 0.8 < depths.min() < depths.max() < 4  # metres, and nothing that is no depth
    assert len(depths) == pytest.approx(0.89 * 100 * 120 * 160, rel=0.01)
    found = scores(task)
    assert found["rmse"].value < found["median_rmse"].value
    assert "parted by their order (60 train, 10 val, 30 test)" in task.notes[0]
