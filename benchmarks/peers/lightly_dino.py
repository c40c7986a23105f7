"""DINO of the modules of lightly (https://docs.lightly.ai), composed as its documentation's example does."""

import importlib.util

import timm
import torch
from torch import Tensor, nn

MISSING = "" if importlib.util.find_spec("lightly") else "not installed; `make bench` brings it"


class LightlyDINO:
    """Student, teacher, loss and optimizer, and one step of them."""

    def __init__(self, backbone: str, num_prototypes: int, *, autocast: bool) -> None:
        from lightly.loss import DINOLoss
        from lightly.models.modules import DINOProjectionHead

        self.autocast = autocast
        torch.manual_seed(0)

        def network() -> nn.Module:
            body = timm.create_model(backbone, num_classes=0, dynamic_img_size=True)
            head = DINOProjectionHead(body.num_features, 2048, 256, num_prototypes, freeze_last_layer=-1)
            return nn.Sequential(body, head)

        self.student, self.teacher = network(), network()
        self.teacher.load_state_dict(self.student.state_dict())
        for parameter in self.teacher.parameters():
            parameter.requires_grad = False
        self.loss = DINOLoss(num_prototypes)
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=1e-4, weight_decay=0.04)

    def step(self, global_crops: Tensor, local_crops: Tensor) -> float:
        """One step of [2, B, 3, 224, 224] and [L, B, 3, 96, 96]; the loss."""
        from lightly.models.utils import update_momentum

        update_momentum(self.student, self.teacher, m=0.996)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            with torch.no_grad():
                teacher = [self.teacher(view) for view in global_crops]
            student = [self.student(view) for crops in (global_crops, local_crops) for view in crops]
        loss = self.loss([t.float() for t in teacher], [s.float() for s in student], epoch=0)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 3.0)
        self.optimizer.step()
        return float(loss)
