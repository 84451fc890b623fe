"""A residual network for small pictures: it begins with a convolution of 3 x 3, and pools nothing before its stages.

`transformers` has no such stem. This file knows it alone and is saved beside the weights, so that
`AutoModel.from_pretrained(FOLDER, trust_remote_code=True)` reads them where nothing of ours is installed.
Source: arXiv:1512.03385, section 4.2, as in arXiv:2002.05709, appendix B.9.
"""

from torch import nn
from transformers import ResNetConfig, ResNetModel
from transformers.models.resnet.modeling_resnet import ResNetConvLayer


class SmallResNetConfig(ResNetConfig):
    model_type = "small_resnet"


class SmallResNetModel(ResNetModel):
    config_class = SmallResNetConfig

    def __init__(self, config: ResNetConfig):
        super().__init__(config)
        first = ResNetConvLayer(config.num_channels, config.embedding_size, kernel_size=3, activation=config.hidden_act)
        nn.init.kaiming_normal_(first.convolution.weight, mode="fan_out", nonlinearity="relu")
        self.embedder.embedder, self.embedder.pooler = first, nn.Identity()


SmallResNetConfig.register_for_auto_class()
SmallResNetModel.register_for_auto_class("AutoModel")
