import pytest

from shop.naming import Namer

NAMER = Namer(["SOFT TORTILLAS AND WRAPS", "MEXICAN TORTILLAS", "TORTILLA WRAPS", "CANDY WRAPS"])


@pytest.mark.parametrize(
    ("category", "product_type", "name"),
    [
        ("FLUID MILK PRODUCTS", "FLUID MILK WHITE ONLY", "Fresh Milk"),  # a given name
        ("FRZN POTATOES", "FRZN FRENCH FRIES", "Frozen French Fries"),  # abbreviation
        ("APPLES", "APPLES GALA (BULK&BAG)", "Gala Apples"),  # noun first, bracket
        ("POPCORN", "POPCORN - MICROWAVE", "Microwave Popcorn"),
        ("CAKES", "CAKES: CHEESECAKE", "Cheesecake"),  # no "Cheesecake Cakes"
        ("CHEESES", "CHEESE: NATURAL BULK", "Natural Cheese from the Counter"),
        ("MISC. DAIRY", "CHEESE: CHEESE", "Cheese"),  # no "Cheese: Cheese"
        ("FRZN BREAKFAST FOODS", "WAFFLES/PANCAKES/FRENCH TOAST", "Waffles, Pancakes & French Toast"),
        ("SMOKED MEATS", "PORK-FULLY COOKED", "Fully Cooked Pork"),
        ("CRACKERS/MISC BKD FD", "MULTI-PACK CRACKERS", "Multi-Pack Crackers"),  # a hyphen that belongs to the word
        ("BAG SNACKS", "CORN CHIPS", "Corn Chips"),  # not "Chips Corn"
        ("FROZEN PIE/DESSERTS", "PREMIUM", "Premium Frozen Pie & Desserts"),  # says nothing without its category
        ("HISPANIC", "MEXICAN SOFT TORTILLAS AND WRA", "Mexican Soft Tortillas and Wraps"),  # cut off at 30
        ("MAGAZINE", "MENS-MAGAZINE", "Men's Magazine"),
        ("BATTERIES", "", "Batteries"),
    ],
)
def test_types_become_readable(category: str, product_type: str, name: str) -> None:
    assert NAMER.type_name(category, product_type) == name


def test_a_cut_word_that_cannot_be_completed_is_dropped() -> None:
    assert NAMER.type_name("SOAP", "BATH BUBBLES AND BATH SOAPS ZZ") == "Bath Bubbles and Bath Soaps"


@pytest.mark.parametrize(
    ("category", "name"),
    [("FRZN ICE", "Ice"), ("HAIR CARE PRODUCTS", "Hair Care Products"), ("SEAFOOD-FRESH", "Fresh Seafood")],
)
def test_categories_become_readable(category: str, name: str) -> None:
    assert NAMER.category_name(category) == name
