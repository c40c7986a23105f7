"""DINO in plain PyTorch, the way one first writes it down from the paper: the line to beat.

Augmentation by torchvision on PIL images, one loss term a pair of views, a loop over parameters for clipping and for
the moving average, AdamW as it comes. The network is timm's.
"""

import math
import random

import timm
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PlainMultiCrop:
    """The paper's views of a PIL image: 2 of 224 px and `num_local_crops` of 96, float tensors."""

    def __init__(self, num_local_crops: int) -> None:
        self.num_local_crops = num_local_crops
        jitter = transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.2, 0.1)], p=0.8)
        colours = [transforms.RandomHorizontalFlip(), jitter, transforms.RandomGrayscale(0.2)]
        ending = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]

        def crop(size: int, scale: tuple[float, float]) -> nn.Module:
            return transforms.RandomResizedCrop(
                size, scale, interpolation=transforms.InterpolationMode.BICUBIC
            )

        self.global_1 = transforms.Compose([crop(224, (0.4, 1.0)), *colours, _Blur(1.0), *ending])
        self.global_2 = transforms.Compose(
            [crop(224, (0.4, 1.0)), *colours, _Blur(0.1), _Solarize(0.2), *ending]
        )
        self.local = transforms.Compose([crop(96, (0.05, 0.4)), *colours, _Blur(0.5), *ending])

    def __call__(self, image: Image.Image) -> list[Tensor]:
        return [
            self.global_1(image),
            self.global_2(image),
            *(self.local(image) for _ in range(self.num_local_crops)),
        ]


class _Blur:
    def __init__(self, probability: float) -> None:
        self.probability = probability

    def __call__(self, image: Image.Image) -> Image.Image:
        if random.random() > self.probability:
            return image
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))


class _Solarize:
    def __init__(self, probability: float) -> None:
        self.probability = probability

    def __call__(self, image: Image.Image) -> Image.Image:
        return ImageOps.solarize(image) if random.random() < self.probability else image


def pair_loss(student: Tensor, teacher: Tensor, center: Tensor, *, num_crops: int) -> Tensor:
    """Mean cross-entropy over pairs of different views; [views * batch, prototypes] each, the teacher's two views."""
    student_views = (student / 0.1).chunk(num_crops)
    targets = F.softmax((teacher - center) / 0.04, dim=-1).detach().chunk(2)
    terms = [
        torch.sum(-target * F.log_softmax(scores, dim=-1), dim=-1).mean()
        for t, target in enumerate(targets)
        for s, scores in enumerate(student_views)
        if s != t
    ]
    return sum(terms, start=student.new_zeros(())) / len(terms)


class _Head(nn.Module):
    def __init__(self, dim: int, num_prototypes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(dim, 2048), nn.GELU(), nn.Linear(2048, 2048), nn.GELU(), nn.Linear(2048, 256)
        )
        self.last = nn.utils.parametrizations.weight_norm(nn.Linear(256, num_prototypes, bias=False))

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.last(F.normalize(self.mlp(features), dim=-1))
        return scores


class PlainDINO:
    """Student, teacher, center and optimizer, and one step of them."""

    def __init__(self, backbone: str, num_prototypes: int, *, autocast: bool) -> None:
        self.autocast = autocast
        torch.manual_seed(0)

        def network() -> nn.Module:
            body = timm.create_model(backbone, num_classes=0, dynamic_img_size=True)
            return nn.Sequential(body, _Head(body.num_features, num_prototypes))

        self.student, self.teacher = network(), network()
        self.teacher.load_state_dict(self.student.state_dict())
        for parameter in self.teacher.parameters():
            parameter.requires_grad = False
        self.center = torch.zeros(1, num_prototypes)
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=1e-4, weight_decay=0.04)

    def step(self, global_crops: Tensor, local_crops: Tensor) -> float:
        """One step of [2, B, 3, 224, 224] and [L, B, 3, 96, 96]; the loss."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            teacher = self.teacher(global_crops.flatten(0, 1))
            both = [self.student[0](global_crops.flatten(0, 1)), self.student[0](local_crops.flatten(0, 1))]
            student = self.student[1](torch.cat(both))
            loss = pair_loss(student.float(), teacher.float(), self.center, num_crops=2 + len(local_crops))
        self.optimizer.zero_grad()
        loss.backward()
        for parameter in self.student.parameters():
            if parameter.grad is not None:
                norm = parameter.grad.norm(2)
                if (factor := 3.0 / (norm + 1e-6)) < 1:
                    parameter.grad.mul_(factor)
        self.optimizer.step()
        with torch.no_grad():
            for ours, theirs in zip(self.student.parameters(), self.teacher.parameters(), strict=True):
                theirs.mul_(0.996).add_((1 - 0.996) * ours.detach())
            self.center = self.center * 0.9 + teacher.float().mean(dim=0, keepdim=True) * 0.1
        value = loss.item()
        assert math.isfinite(value)
        return value
