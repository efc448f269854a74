"""Small adapters that run other implementations beside ours: one file each, one Protocol."""

from baselines.peers.mmseg_fcn import MmsegFCN
from baselines.peers.patchwise import Patchwise, SlidingWindow
from baselines.peers.protocol import Peer, SharesWeights, channels_last, describe, forward
from baselines.peers.torchfcn import Torchfcn
from baselines.peers.torchvision_fcn import TorchvisionFCN

TORCHFCN = (
    Torchfcn("voc2011/fcn32s_vgg16", "FCN32s"),
    Torchfcn("voc2011/fcn16s_vgg16", "FCN16s"),
    Torchfcn("voc2011/fcn8s_vgg16", "FCN8s"),
)
PEERS: tuple[Peer, ...] = (*TORCHFCN, TorchvisionFCN(50), TorchvisionFCN(101), MmsegFCN(), Patchwise())

__all__ = [
    "PEERS",
    "TORCHFCN",
    "MmsegFCN",
    "Patchwise",
    "Peer",
    "SharesWeights",
    "SlidingWindow",
    "Torchfcn",
    "TorchvisionFCN",
    "channels_last",
    "describe",
    "forward",
]
