import numpy as np

from recommender.dataset.item_features import attribute_codes
from recommender.encoders.autoencoder import train_autoencoder
from recommender.encoders.text import encode_texts
from tests.event_logs import catalogue


def vectors(seed: int = 0) -> np.ndarray:
    items = catalogue(60)
    return train_autoencoder(encode_texts(items.text, dim=16), attribute_codes(items), dim=16, epochs=40, seed=seed)


def test_items_with_the_same_attribute_are_nearer_than_others() -> None:
    z = vectors()
    cosine = z @ z.T
    camp = np.arange(60) % 2
    same = camp[:, None] == camp[None, :]
    np.fill_diagonal(same, False)
    assert cosine[same].mean() > cosine[camp[:, None] != camp[None, :]].mean() + 0.2


def test_the_same_seed_gives_the_same_vectors() -> None:
    assert (vectors(3) == vectors(3)).all()


def test_vectors_are_of_unit_length() -> None:
    assert np.allclose(np.linalg.norm(vectors(), axis=1), 1, atol=1e-5)
