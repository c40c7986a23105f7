"""Time k-NN with four numbers of neighbours beside a search for each, and faiss: python benchmarks/knn.py.

200,000 train features of 384 dimensions in 1,000 clusters, 1,000 queries, k = 10, 20, 100, 200. Says how many of
the neighbours are those of float32.
"""

import importlib.util

import torch
from side_by_side import Floor, arguments, report, take_turns
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.metrics.knn import knn_accuracy
from dino_pipeline.dino.metrics.nearest import Bank

KS = (10, 20, 100, 200)
DIM, CLASSES, TEMPERATURE = 384, 1000, 0.07
# Of the shortlist in bfloat16; the JSON says whether this machine multiplies it. Without, ours searches in float32.
FLOORS = [Floor("ours", "a search a k", 15.0), Floor("ours", "faiss flat, search alone", 1.4)]


def clustered(rows: int, centers: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
    """Features around the centers, and which."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(len(centers), (rows,), generator=generator)
    return F.normalize(centers[labels] + 2 * torch.randn(rows, DIM, generator=generator), dim=1), labels


def search_a_k(bank: Tensor, labels: Tensor, queries: Tensor, query_labels: Tensor) -> dict[int, float]:
    """The published evaluation's loop: all similarities of 100 queries at a time, again for each k."""
    accuracies = {}
    one_hot = torch.zeros(max(KS), CLASSES)
    for k in KS:
        correct = 0
        for some, truth in zip(queries.split(100), query_labels.split(100), strict=True):
            similarity, index = (some @ bank.T).topk(k, dim=1)
            votes = one_hot.new_zeros(len(some) * k, CLASSES).scatter_(1, labels[index].view(-1, 1), 1)
            weights = (similarity / TEMPERATURE).exp().view(len(some), k, 1)
            scores = (votes.view(len(some), k, CLASSES) * weights).sum(dim=1)
            correct += int((scores.argmax(dim=1) == truth).sum())
        accuracies[k] = correct / len(queries)
    return accuracies


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__).parse_args()
    torch.set_num_threads(options.num_threads)
    rows, num_queries = (2000, 50) if options.tiny else (200_000, 1000)
    centers = torch.randn(CLASSES, DIM, generator=torch.Generator().manual_seed(0))
    bank, labels = clustered(rows, centers, seed=1)
    queries, query_labels = clustered(num_queries, centers, seed=2)
    everything = (bank, labels, queries, query_labels)
    competitors = {
        "ours": lambda: knn_accuracy(*everything, num_neighbors=KS, temperature=TEMPERATURE),
        "a search a k": lambda: search_a_k(*everything),
    }
    skipped = {}
    if importlib.util.find_spec("faiss"):
        import faiss

        faiss.omp_set_num_threads(options.num_threads)
        index = faiss.IndexFlatIP(DIM)
        index.add(bank.numpy())
        competitors["faiss flat, search alone"] = lambda: index.search(queries.numpy(), max(KS))
    else:
        skipped["faiss"] = "not installed; `make bench` brings it"
    # Equal similarities by position: the sort is stable.
    exact = torch.cat(
        [
            (some @ bank.T).sort(dim=1, descending=True, stable=True).indices[:, : max(KS)]
            for some in queries.split(100)
        ]
    )
    found = Bank(bank).nearest(queries, max(KS))[1]
    report(
        "k-NN",
        take_turns(competitors, options.num_rounds),
        FLOORS,
        options,
        work=f"{rows:,} x {DIM} train features, {num_queries:,} queries, k = {KS}",
        skipped=skipped,
        more={
            "share_of_neighbours_equal_to_float32": float(
                (exact.sort(dim=1).values == found.sort(dim=1).values).float().mean()
            )
        },
    )


if __name__ == "__main__":
    main()
