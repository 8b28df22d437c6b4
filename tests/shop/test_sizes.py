import pytest

from shop.sizes import size_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("16 OZ", "16 oz"),
        ("P    16 OZ", "16 oz"),
        ("1/2 GAL", "1/2 gal"),
        ("15 3/4 OZ", "15 3/4 oz"),
        ("HALF GAL", "1/2 gal"),
        ("GAL", "1 gal"),
        ("2 L", "2 L"),
        ("750 ML", "750 ml"),
        ("12 PK/12 OZ", "12 × 12 oz"),
        ("6/16.9 OZ", "6 × 16.9 oz"),
        ("4/14 OZ", "4 × 14 oz"),
        ("18 CT/54 Z", "18 ct, 54 oz"),
        ("31.50 OZ", "31.5 oz"),
        ("300 CT(1)", "300 ct"),
        ("925750 3 OZ", "3 oz"),
        ("48-54 CT", "48–54 ct"),
        ("LARGE", "large"),
        ("SCAN KPC", ""),
        ("710368  PK", ""),
        ("", ""),
    ],
)
def test_sizes_become_readable(source: str, name: str) -> None:
    assert size_name(source) == name
