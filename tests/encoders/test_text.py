import numpy as np
import pytest

from recommender.dataset.text_features import LONGEST, grams_of
from recommender.encoders.text import encode_texts

ENGLISH = ["whole milk one litre", "skimmed milk one litre", "garden hose green", "garden hose blue"]
CHINESE = ["全脂纯牛奶一升", "脱脂纯牛奶一升", "绿色花园水管", "蓝色花园水管"]


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE])
def test_what_shares_words_is_near(texts: list[str]) -> None:
    vectors, _ = encode_texts(texts, dim=8)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > cosine[0, 2]
    assert cosine[2, 3] > cosine[2, 0]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("texts", [["", " "], ["one"], ["one", "two"], ["same", "same", "same"]])
def test_a_tiny_catalogue_is_no_error(texts: list[str]) -> None:
    vectors, _ = encode_texts(texts, dim=8)
    assert vectors.shape == (len(texts), 8)
    assert np.isfinite(vectors).all()


def test_a_missing_language_model_names_the_fix() -> None:
    with pytest.raises(ModuleNotFoundError, match="pip install sentence-transformers"):
        encode_texts(["milk"], encoder="bert-base-chinese")


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE])
def test_a_text_that_comes_later_lies_where_it_would_have_been(texts: list[str]) -> None:
    vectors, features = encode_texts(texts, dim=8)
    assert features is not None
    assert np.allclose(features.encode(texts), vectors, atol=1e-5)
    assert not features.encode([""]).any()


def test_the_grams_are_those_of_scikit_learn() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    analyze = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, LONGEST)).build_analyzer()
    for text in [*ENGLISH, *CHINESE, "", "a", "1 l", "Ünïcode  İx"]:
        assert sorted(grams_of(text)) == sorted(analyze(text))
