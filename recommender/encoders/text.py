"""Item text → vectors, by a language model where one is installed, else by what the catalogue itself teaches.

"catalogue" needs no download and no language: character n-grams carry Chinese as well as English.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CATALOGUE = "catalogue"


def encode_texts(texts: Sequence[str], encoder: str = CATALOGUE, dim: int = 96, seed: int = 0) -> NDArray[np.float32]:
    """[texts, dim] float32, unit norm; a text without content is a zero row.

    Args:
        encoder: "catalogue", or the name or path of a sentence-transformers or BERT model ("bert-base-chinese");
            its own width replaces `dim`.
    Raises:
        ModuleNotFoundError: a model is named, but sentence-transformers is not installed.
    """
    if encoder != CATALOGUE:
        return _encode_by_model(texts, encoder)
    unique, place = np.unique(np.asarray(texts, dtype=object).astype(str), return_inverse=True)
    return _encode_by_catalogue(unique.tolist(), dim, seed)[place]


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


def _encode_by_catalogue(texts: Sequence[str], dim: int, seed: int) -> NDArray[np.float32]:
    """Latent semantic analysis: TF-IDF of character 1–4-grams inside words, then a truncated SVD."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    dense = np.zeros((len(texts), dim), dtype=np.float32)
    if not any(text.strip() for text in texts):
        return dense
    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(1, 4), max_features=20_000, sublinear_tf=True, min_df=1, dtype=np.float32
    )
    counts = vectorizer.fit_transform(texts)  # [texts, grams]
    width = min(dim, counts.shape[1] - 1, counts.shape[0] - 1)
    if width < 2:  # a catalogue of one or two texts: there is nothing to factorise
        return _hashed(texts, dim)
    dense[:, :width] = TruncatedSVD(width, n_iter=4, random_state=seed).fit_transform(counts)
    norm = np.linalg.norm(dense, axis=1, keepdims=True)
    return np.divide(dense, norm, out=np.zeros_like(dense), where=norm > 1e-6)


def _hashed(texts: Sequence[str], dim: int) -> NDArray[np.float32]:
    """One fixed random direction a text."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in texts]
    rows = np.stack([np.random.default_rng(seed).standard_normal(dim) for seed in seeds])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
