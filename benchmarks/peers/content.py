"""Content only: the one peer that can rank an item without events."""

from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.peers.counting import CountingModel
from benchmarks.peers.histories import EVENT, recent
from benchmarks.peers.lists import Score
from benchmarks.task import Log, Task

WORD: Final = r"\S+"  # `item_texts` has split them already


class ContentKnn(CountingModel):
    """TF-IDF cosine of text and attributes to the last events, decayed."""

    name = "content-knn"
    slow = {"words": (1, 2)}
    quick = {"decay": (0.6, 0.8, 0.95), "last": (5, 50)}

    def learn(self, task: Task, log: Log, **slow: Any) -> sp.csr_matrix:
        texts = item_texts(task)
        vectorizer = TfidfVectorizer(
            analyzer="word", token_pattern=WORD, ngram_range=(1, slow["words"]), sublinear_tf=True
        )
        if not any(texts):
            return sp.csr_matrix((task.items, 1), dtype=np.float32)
        return sp.csr_matrix(vectorizer.fit_transform(texts), dtype=np.float32)

    def scorer(self, learned: sp.csr_matrix, log: Log, **quick: Any) -> Score:
        last = recent(log, quick["decay"], quick["last"], EVENT)
        by_word = sp.csr_matrix(learned.T)
        return lambda visitors: ((last[visitors] @ learned) @ by_word).toarray()


def item_texts(task: Task) -> list[str]:
    """[items] the words of the text, and one word for each attribute value."""
    texts = []
    for row, text in enumerate(task.text):
        words = ["".join(letter if letter.isalnum() else " " for letter in text.lower())]
        for name, cells in task.attributes.items():
            words += [f"{name}={value.replace(' ', '_').lower()}" for value in cells[row]]
        texts.append(" ".join(words).strip())
    return texts
