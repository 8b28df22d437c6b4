"""Item text → vectors, by a language model where one is installed, else by what the catalogue itself teaches.

"catalogue" needs no download and no language: character n-grams carry Chinese as well as English.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.dataset.text_features import LONGEST, TextFeatures, unit_rows

CATALOGUE = "catalogue"


def encode_texts(
    texts: Sequence[str], encoder: str = CATALOGUE, dim: int = 96, seed: int = 0
) -> tuple[NDArray[np.float32], TextFeatures | None]:
    """([texts, dim] float32, unit norm, a text without content is a zero row; what encodes further texts alike).

    Args:
        encoder: "catalogue", or the name or path of a sentence-transformers or BERT model ("bert-base-chinese");
            its own width replaces `dim`, and no light process can run it: there is nothing for further texts.
    Raises:
        ModuleNotFoundError: a model is named, but sentence-transformers is not installed.
    """
    if encoder != CATALOGUE:
        return _encode_by_model(texts, encoder), None
    unique, place = np.unique(np.asarray(texts, dtype=object).astype(str), return_inverse=True)
    vectors, features = _encode_by_catalogue(unique.tolist(), dim, seed)
    return vectors[place], features


def _encode_by_model(texts: Sequence[str], name: str) -> NDArray[np.float32]:
    """sentence-transformers loads its own models, and any BERT with mean pooling."""
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"RECOMMENDER_TEXT_ENCODER = {name!r} needs `pip install sentence-transformers`; "
            f'or set it to "{CATALOGUE}", which needs no model'
        ) from error
    vectors = SentenceTransformer(name).encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


def _encode_by_catalogue(texts: Sequence[str], dim: int, seed: int) -> tuple[NDArray[np.float32], TextFeatures | None]:
    """Latent semantic analysis: TF-IDF of character 1–4-grams inside words, then a truncated SVD."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    dense = np.zeros((len(texts), dim), dtype=np.float32)
    if not any(text.strip() for text in texts):
        return dense, TextFeatures(np.zeros(0, "<U1"), np.zeros(0, np.float32), np.zeros((0, dim), np.float32))
    vectorizer = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(1, LONGEST),
        max_features=20_000,
        sublinear_tf=True,
        min_df=1,
        dtype=np.float32,
    )
    counts = vectorizer.fit_transform(texts)  # [texts, grams]
    width = min(dim, counts.shape[1] - 1, counts.shape[0] - 1)
    if width < 2:  # a catalogue of one or two texts: there is nothing to factorise
        return _hashed(texts, dim), None
    components = np.zeros((counts.shape[1], dim), dtype=np.float32)
    components[:, :width] = TruncatedSVD(width, n_iter=4, random_state=seed).fit(counts).components_.T
    # Not `fit_transform`, which differs a little: a text that comes later must be where it would have been.
    dense = unit_rows(np.asarray(counts @ components, dtype=np.float32))
    return dense, TextFeatures(vectorizer.get_feature_names_out().astype(str), vectorizer.idf_, components)


def _hashed(texts: Sequence[str], dim: int) -> NDArray[np.float32]:
    """One fixed random direction a text."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in texts]
    rows = np.stack([np.random.default_rng(seed).standard_normal(dim) for seed in seeds])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
