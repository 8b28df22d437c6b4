"""Variational autoencoder with a multinomial likelihood, as its paper describes it."""

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers.histories import events_of_pairs
from benchmarks.peers.lists import top_lists
from benchmarks.peers.tuning import learn
from benchmarks.task import Ints, Log, Task

HIDDEN, LATENT, DROPOUT = 600, 200, 0.5
BETA, EPOCHS_TO_BETA = 0.2, 10
LEARNING_RATE, BATCH = 1e-3, 100


class MultVAE:
    """Source: Liang et al., "Variational Autoencoders for Collaborative Filtering", arXiv:1802.05814."""

    name = "mult-vae"

    def fit(self, task: Task, budget_seconds: float) -> None:
        self._learner, self.settings = learn(lambda log: Autoencoder(log, task.seed), task, budget_seconds)

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        return self._learner.top(visitors, k, exclude_taken)


class Network(nn.Module):
    """items → 600 → 200 → 600 → items. The first layer sums the rows of a bag, which is its dense product, sooner."""

    def __init__(self, items: int) -> None:
        super().__init__()
        self.rows = nn.EmbeddingBag(items, HIDDEN, mode="sum")
        self.bias = nn.Parameter(torch.zeros(HIDDEN))
        self.latent = nn.Linear(HIDDEN, 2 * LATENT)
        self.hidden = nn.Linear(LATENT, HIDDEN)
        self.items = nn.Linear(HIDDEN, items)
        nn.init.xavier_normal_(self.rows.weight)
        for layer in (self.latent, self.hidden, self.items):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, items: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Bags of items ([n] and [batch] int64) → logits [batch, items], KL divergence from the normal [batch]."""
        sizes = torch.diff(offsets, append=torch.tensor([len(items)]))
        weight = (1.0 / sizes.clamp(min=1).float().sqrt()).repeat_interleave(sizes)  # rows of unit norm
        weight = F.dropout(weight, DROPOUT, self.training)
        mean, log_variance = self.latent(torch.tanh(self.rows(items, offsets, weight) + self.bias)).chunk(2, dim=1)
        kl = 0.5 * (log_variance.exp() + mean**2 - 1.0 - log_variance).sum(1)
        if self.training:
            mean = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.items(torch.tanh(self.hidden(mean))), kl


class Autoencoder:
    """What `learn` needs of it. Visitors are what they took: nothing is stored for one."""

    def __init__(self, log: Log, seed: int) -> None:
        torch.manual_seed(seed)
        self._taken: sp.csr_matrix = events_of_pairs(log)
        self._is_cold = np.bincount(self._taken.indices, minlength=log.items) == 0
        self._with_events = torch.from_numpy(np.flatnonzero(np.diff(self._taken.indptr)))
        self._network = Network(log.items)
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=LEARNING_RATE, fused=True)
        self._epoch = 0

    def epoch(self) -> float:
        self._network.train()
        losses = []
        order = self._with_events[torch.randperm(len(self._with_events))]
        for step, visitors in enumerate(order.split(BATCH)):
            items, offsets = self._bags(visitors.numpy())
            logits, kl = self._network(items, offsets)
            sizes = torch.diff(offsets, append=torch.tensor([len(items)]))
            rows = torch.arange(len(visitors)).repeat_interleave(sizes)
            likelihood = F.log_softmax(logits, dim=1)[rows, items].sum() / len(visitors)
            done = (self._epoch + step * BATCH / len(order)) / EPOCHS_TO_BETA
            loss = BETA * min(1.0, done) * kl.mean() - likelihood
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            losses.append(loss.item())
        self._epoch += 1
        return float(np.mean(losses))

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        self._network.eval()
        return top_lists(self._score, self._taken, visitors, k, exclude_taken)

    def _score(self, visitors: Ints) -> NDArray[np.float32]:
        with torch.inference_mode():
            scores: NDArray[np.float32] = self._network(*self._bags(visitors))[0].numpy()
        scores[:, self._is_cold] = -np.inf
        return scores

    def _bags(self, visitors: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        taken = self._taken[visitors]
        return torch.from_numpy(taken.indices.astype(np.int64)), torch.from_numpy(taken.indptr[:-1].astype(np.int64))
