import numpy as np
import torch

from recommender.dataset.item_features import AttributeCodes
from recommender.encoders.autoencoder import ItemAutoencoder, train_autoencoder
from recommender.encoders.text import encode_texts
from tests.event_logs import catalogue


def vectors(seed: int = 0) -> np.ndarray:
    items = catalogue(60)
    text, _ = encode_texts(items.text, dim=16)
    attributes = AttributeCodes.of(items)
    codes = attributes.codes(items)
    return train_autoencoder(text, codes, attributes.sizes, dim=16, epochs=40, seed=seed).encode(text, codes)


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


def test_numpy_and_torch_encode_alike() -> None:
    random = np.random.default_rng(0)
    text = random.normal(size=(9, 12)).astype(np.float32)
    codes = random.integers(0, (4, 7), size=(9, 2))
    model = ItemAutoencoder(12, (4, 7), dim=8)
    with torch.no_grad():
        wanted = model.encode(torch.from_numpy(text), torch.from_numpy(codes)).numpy()
    assert np.allclose(model.layers().encode(text, codes), wanted, atol=1e-5)
