"""Light CLIP models trained with the guidance of frozen encoders (CLIP-PING)."""

from skclip.distill._losses import info_nce, neighbor_loss, ping_loss
from skclip.distill._student import find_architecture as find_architecture
from skclip.distill._trainer import CLIPPINGTrainer

__all__ = ["CLIPPINGTrainer", "info_nce", "neighbor_loss", "ping_loss"]
