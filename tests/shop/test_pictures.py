from xml.etree import ElementTree

import pytest
from django.test import Client

from shop.departments import AISLES
from shop.pictures import FALLBACK, motifs, picture_for, render


def test_every_drawing_is_well_formed_and_names_no_other_host() -> None:
    assert len(motifs()) > 50
    for motif in motifs():
        svg = render(f"{motif}-120")
        ElementTree.fromstring(svg)  # noqa: S314  our own files
        assert svg.count("http") == 1  # the namespace


def test_every_department_has_a_drawing() -> None:
    for aisle in AISLES:
        assert render(aisle.picture)


@pytest.mark.parametrize(
    ("department", "category", "product_type", "motif"),
    [
        ("PRODUCE", "TROPICAL FRUIT", "BANANAS", "banana"),
        ("GROCERY", "FLUID MILK PRODUCTS", "FLUID MILK WHITE ONLY", "milk"),
        ("PASTRY", "BREAKFAST SWEETS", "SW GDS:DONUTS", "donut"),  # NUTS is no part of it
        ("GROCERY", "BATH TISSUES", "TOILET TISSUE", "roll"),  # nor is OIL of TOILET
        ("GROCERY", "BAKED BREAD/BUNS/ROLLS", "MAINSTREAM WHITE BREAD", "loaf"),  # the type before the category
        ("GROCERY", "ICE CREAM/MILK/SHERBTS", "PREMIUM PINTS", "icecream"),  # no carton of milk
        ("GROCERY", "BEANS - CANNED GLASS & MW", "PREPARED BEANS - BAKED W/PORK", "can"),
        ("MEAT-PCKGD", "MISCELLANEOUS", "SAUERKRAUT", "jar"),
        ("MEAT-PCKGD", "BREAKFAST SAUSAGE/SANDWICHES", "ROLLS - PORK", "sausage"),
        ("SALAD BAR", "SALAD BAR", "SALAD BAR FRESH FRUIT", "cup"),
        ("GROCERY", "SOMETHING NEW", "UNHEARD OF", "can"),  # the department's own
    ],
)
def test_a_product_gets_the_drawing_of_its_kind(department: str, category: str, product_type: str, motif: str) -> None:
    assert picture_for(department, category, product_type).rpartition("-")[0] == motif


def test_an_unknown_department_gets_the_basket() -> None:
    assert picture_for("MOON", "ROCKS", "GREY") == FALLBACK


def test_hues_vary_within_the_rule_and_stay_the_same_for_one_product() -> None:
    hues = {picture_for("PRODUCE", "APPLES", "APPLES GALA", str(key)) for key in range(50)}
    assert len(hues) > 2
    assert picture_for("PRODUCE", "APPLES", "APPLES GALA", "1") == picture_for("PRODUCE", "APPLES", "APPLES GALA", "1")


@pytest.mark.parametrize("name", ["nothing-10", "apple-360", "apple", "apple--1", "_frame-10", "apple-²"])
def test_a_picture_that_does_not_exist_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        render(name)


def test_pictures_are_served_and_cached(client: Client, db: None) -> None:
    response = client.get("/picture/apple-6.svg")
    assert response.status_code == 200
    assert response["Content-Type"] == "image/svg+xml"
    assert "max-age=86400" in response["Cache-Control"]
    assert client.get("/picture/nothing-6.svg").status_code == 404
