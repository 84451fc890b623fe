"""Small vision networks of every family."""

from diptych.encoders.image.scratch import fresh

SMALL = {
    "vit": lambda: fresh("vit-tiny", 16, patch=4, width=16, depth=2),
    "dinov2": lambda: fresh("dinov2-tiny", 16, patch=4, width=16, depth=2, layer_scale=1.0),
    "registers": lambda: fresh("dinov2-tiny", 16, patch=4, width=16, depth=2, registers=2, layer_scale=1.0),
    "resnet": lambda: fresh("resnet18", 16, width=4),
    "bottleneck": lambda: fresh("resnet50", 16, width=4, stem="imagenet"),
}
TOKENS = ("vit", "dinov2", "registers")
