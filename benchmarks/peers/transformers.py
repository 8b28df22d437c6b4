"""RecTools' SASRec and BERT4Rec, fitted and asked through RecTools' own interface.

    python -m benchmarks.peers.transformers TASK OUT --budget 3600      # SASRec's curve on validation, as JSON

Two things are done for them, neither of which changes what they learn: the softmax is taken only at positions that have
a target (RecTools takes it at padding too and multiplies it by nothing), and long histories are cut into windows of the
model's length, where RecTools would learn from the last one only.
"""

import argparse
import json
import logging
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytorch_lightning
from numpy.typing import NDArray
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, SASRecModel
from rectools.models.nn.item_net import IdEmbeddingsItemNet
from rectools.models.nn.transformers.base import TransformerLightningModule, TransformerModelBase
from torch import Tensor
from torch.nn import functional as F

from benchmarks.peers.tuning import curve, learn
from benchmarks.task import Ints, Log, Task, read_task

LENGTHS: Final = (10, 200)  # events, at least and at most; between them what holds 19 of 20 histories
MOST_LOGITS: Final = 50_000_000  # of one batch: 200 MB of float32, several times over while it learns
MOST_VISITORS: Final = 32  # of one batch: many small steps learn sooner where seconds are few


class SASRec:
    """Source: Kang and McAuley, arXiv:1808.09781; with the softmax over all items, as RecTools' default."""

    name = "sasrec"
    model: type[TransformerModelBase] = SASRecModel
    settings: dict[str, Any] = {"n_blocks": 2, "n_heads": 2, "n_factors": 64, "dropout_rate": 0.2, "lr": 3e-3}
    targets_share = 1.0  # of the positions

    def fit(self, task: Task, budget_seconds: float) -> None:
        silence()
        settings = self.settings_for(task)
        self._sequences, chosen = learn(
            lambda log: Sequences(log, self.model, settings, task.seed), task, budget_seconds
        )
        self.settings = settings | chosen

    def settings_for(self, task: Task) -> dict[str, Any]:
        """With the longest history and the largest batch that fit."""
        length = session_length(task.fit)
        mean = np.minimum(np.bincount(task.fit.visitor), length).mean()
        fitting = int(MOST_LOGITS / (task.items * mean * self.targets_share))
        return self.settings | {
            "session_max_len": length,
            "batch_size": int(np.clip(fitting, 8, MOST_VISITORS)),
        }

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        return self._sequences.top(visitors, k, exclude_taken)


class BERT4Rec(SASRec):
    """Source: Sun et al., arXiv:1904.06690."""

    name = "bert4rec"
    model = BERT4RecModel
    settings = SASRec.settings | {"n_heads": 4, "mask_prob": 0.2}
    targets_share = 0.2


class SoftmaxAtTargets(TransformerLightningModule):
    """The loss that RecTools calls "softmax", without the positions that have no target."""

    def _calc_custom_loss(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        items = self.torch_model.item_model.get_all_embeddings()  # [items + extra tokens, dim]
        sessions = self.torch_model.encode_sessions(batch, items)  # [batch, length, dim]
        has_target = batch["y"] != 0
        return F.cross_entropy(sessions[has_target] @ items.T, batch["y"][has_target])


class Sequences:
    """What `learn` needs of one RecTools model on one log."""

    def __init__(self, log: Log, model: type[TransformerModelBase], settings: dict[str, Any], seed: int) -> None:
        pytorch_lightning.seed_everything(seed, verbose=False)
        self._items = log.items
        visitor, item = without_echoes(log)
        self._histories = dataset(visitor, item)
        self._windows = dataset(windows(visitor, settings["session_max_len"]), item)
        self._model = model(
            **settings,
            loss="softmax_at_targets",
            lightning_module_type=SoftmaxAtTargets,
            item_net_block_types=(IdEmbeddingsItemNet,),
        )

    def epoch(self) -> float:
        self._model.fit_partial(self._windows, min_epochs=1, max_epochs=1)
        return float(self._model.fit_trainer.callback_metrics["train_loss"])

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        lists = np.full((len(visitors), k), -1, dtype=np.int32)
        found = self._model.recommend(
            users=visitors, dataset=self._histories, k=k, filter_viewed=exclude_taken, on_unsupported_targets="ignore"
        )
        row = np.searchsorted(visitors, found[Columns.User].to_numpy())
        lists[row, found[Columns.Rank].to_numpy() - 1] = found[Columns.Item].to_numpy()
        return lists


def session_length(log: Log) -> int:
    """Events that hold 19 of 20 histories, within `LENGTHS`."""
    events = np.bincount(log.visitor)
    return int(np.clip(np.quantile(events[events > 0], 0.95), *LENGTHS)) if len(log) else LENGTHS[0]


def without_echoes(log: Log) -> tuple[Ints, Ints]:
    """(visitor, item) of the events whose item is not that of the event before: a view, click and purchase are one."""
    is_new = np.ones(len(log), dtype=bool)
    is_new[1:] = (log.item[1:] != log.item[:-1]) | (log.visitor[1:] != log.visitor[:-1])
    return log.visitor[is_new], log.item[is_new]


def windows(visitor: Ints, length: int) -> Ints:
    """[events] sorted visitors → [events] window numbers, cut from the newest event on.

    A window has `length` + 1 events: so many make `length` targets.
    """
    last = np.searchsorted(visitor, visitor, side="right") - 1
    back = (last - np.arange(len(visitor))) // (length + 1)
    return np.unique(visitor * (back.max(initial=0) + 1) + back, return_inverse=True)[1].astype(np.int64)


def dataset(user: Ints, item: Ints) -> Dataset:
    """RecTools' data set; the times are the order of the events."""
    at = pd.to_datetime(np.arange(len(user)), unit="s")
    return Dataset.construct(
        pd.DataFrame({Columns.User: user, Columns.Item: item, Columns.Weight: 1.0, Columns.Datetime: at})
    )


def silence() -> None:
    """No advice about GPUs and loader processes at every epoch."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    for message in (".*users were considered cold.*", "unique with argument.*", "(?s)Pydantic serializer warnings.*"):
        warnings.filterwarnings("ignore", message=message)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", type=Path, help="folder of the task")
    parser.add_argument("out", type=Path, help="file for the curve")
    parser.add_argument("--budget", type=float, default=3_600.0, help="CPU seconds (default 3600)")
    options = parser.parse_args()
    silence()
    task = read_task(options.task)
    settings = SASRec().settings_for(task)
    looks, ended = curve(Sequences(task.fit, SASRec.model, settings, task.seed), task, options.budget)
    found = {"settings": settings, "converged": ended, "looks": [asdict(look) for look in looks]}
    options.out.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
