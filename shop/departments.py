"""The shop's departments, and which of them a category of the source data belongs to.

The source has 32 departments, one of which ("GROCERY") holds two thirds of all lines; shoppers look for aisles.
"""

from typing import Final, NamedTuple

from django.utils.translation import gettext_noop


class Aisle(NamedTuple):
    slug: str
    name: str
    picture: str  # motif and hue: "apple-120"


AISLES: Final = [
    Aisle("fruit-vegetables", gettext_noop("Fruit & Vegetables"), "apple-128"),
    Aisle("meat-poultry", gettext_noop("Meat & Poultry"), "steak-2"),
    Aisle("fish-seafood", gettext_noop("Fish & Seafood"), "fish-200"),
    Aisle("dairy-eggs", gettext_noop("Milk, Cheese & Eggs"), "milk-212"),
    Aisle("bread-bakery", gettext_noop("Bread & Bakery"), "loaf-32"),
    Aisle("deli-ready-meals", gettext_noop("Deli & Ready Meals"), "meal-18"),
    Aisle("frozen", gettext_noop("Frozen Food"), "icecream-330"),
    Aisle("breakfast", gettext_noop("Breakfast & Cereal"), "cereal-44"),
    Aisle("pantry", gettext_noop("Pantry"), "can-8"),
    Aisle("baking-spices", gettext_noop("Baking & Spices"), "whisk-40"),
    Aisle("snacks-sweets", gettext_noop("Snacks & Sweets"), "cookie-28"),
    Aisle("drinks", gettext_noop("Drinks, Coffee & Tea"), "cup-18"),
    Aisle("beer-wine-spirits", gettext_noop("Beer, Wine & Spirits"), "wine-345"),
    Aisle("natural-organic", gettext_noop("Natural & Organic"), "leaf-110"),
    Aisle("baby", gettext_noop("Baby & Toddler"), "babybottle-195"),
    Aisle("health", gettext_noop("Health & Personal Care"), "pump-178"),
    Aisle("beauty", gettext_noop("Cosmetics & Hair"), "lipstick-340"),
    Aisle("household", gettext_noop("Household & Cleaning"), "spray-186"),
    Aisle("home-seasonal", gettext_noop("Home, Cards & Seasonal"), "gift-268"),
    Aisle("pets", gettext_noop("Pets"), "petfood-26"),
    Aisle("flowers-garden", gettext_noop("Flowers & Garden"), "flower-318"),
    Aisle("tobacco", gettext_noop("Tobacco"), "box-220"),
]

BY_DEPARTMENT: Final = {
    "PRODUCE": "fruit-vegetables",
    "MEAT": "meat-poultry",
    "MEAT-PCKGD": "meat-poultry",
    "SEAFOOD": "fish-seafood",
    "SEAFOOD-PCKGD": "fish-seafood",
    "PASTRY": "bread-bakery",
    "DELI": "deli-ready-meals",
    "SALAD BAR": "deli-ready-meals",
    "RESTAURANT": "deli-ready-meals",
    "GROCERY": "pantry",
    "NUTRITION": "natural-organic",
    "DRUG GM": "home-seasonal",
    "COSMETICS": "beauty",
    "SPIRITS": "beer-wine-spirits",
    "FLORAL": "flowers-garden",
    "GARDEN CENTER": "flowers-garden",
    "TOYS": "home-seasonal",
    "TRAVEL & LEISURE": "fruit-vegetables",  # its lines are apples, melons and the like
    "PHOTO & VIDEO": "pantry",  # dough and beer
    "POSTAL CENTER": "snacks-sweets",  # candy
}

# Categories of GROCERY and DRUG GM that stand in an aisle of their own; separated by "; ".
_CATEGORIES: Final = {
    "dairy-eggs": "FLUID MILK PRODUCTS; CHEESE; YOGURT; EGGS; MILK BY-PRODUCTS; MARGARINES; BUTTER; MISC. DAIRY; "
    "REFRGRATD DOUGH PRODUCTS; CANNED MILK",
    "frozen": "FRZN MEAT/MEAT DINNERS; FROZEN PIZZA; ICE CREAM/MILK/SHERBTS; FRZN VEGETABLE/VEG DSH; "
    "FRZN NOVELTIES/WTR ICE; FRZN BREAKFAST FOODS; FRZN POTATOES; FROZEN PIE/DESSERTS; FROZEN BREAD/DOUGH; "
    "FRZN JCE CONC/DRNKS; FRZN ICE; FRZN FRUITS; FROZEN CHICKEN; FRZN SEAFOOD",
    "drinks": "SOFT DRINKS; REFRGRATD JUICES/DRNKS; CANNED JUICES; WATER - CARBONATED/FLVRD DRINK; "
    "PWDR/CRYSTL DRNK MX; COFFEE; ISOTONIC DRINKS; TEAS; COCOA MIXES; NEW AGE; COFFEE FILTERS",
    "beer-wine-spirits": "BEERS/ALES; DOMESTIC WINE; IMPORTED WINE; MISC WINE; LIQUOR",
    "snacks-sweets": "BAG SNACKS; CRACKERS/MISC BKD FD; COOKIES/CONES; WAREHOUSE SNACKS; SNACK NUTS; "
    "CANDY - CHECKLANE; CANDY - PACKAGED; CONVENIENT BRKFST/WHLSM SNACKS",
    "bread-bakery": "BAKED BREAD/BUNS/ROLLS; BAKED SWEET GOODS",
    "breakfast": "COLD CEREAL; HOT CEREAL; MOLASSES/SYRUP/PANCAKE MIXS; PNT BTR/JELLY/JAMS",
    "baking-spices": "BAKING MIXES; BAKING NEEDS; SPICES & EXTRACTS; SUGARS/SWEETNERS; FLOUR & MEALS; SHORTENING/OIL; "
    "DRY MIX DESSERTS; SYRUPS/TOPPINGS",
    "pets": "CAT FOOD; DOG FOODS; CAT LITTER; PET CARE SUPPLIES; BIRD SEED",
    "household": "FD WRAPS/BAGS/TRSH BG; BATH TISSUES; PAPER TOWELS; PAPER HOUSEWARES; HOUSEHOLD CLEANG NEEDS; "
    "LAUNDRY DETERGENTS; FACIAL TISS/DNR NAPKIN; DISHWASH DETERGENTS; AIR CARE; LAUNDRY ADDITIVES; BLEACH; "
    "BROOMS AND MOPS; DISPOSIBLE FOILWARE; INSECTICIDES; IRONING AND CHEMICALS; PLASTIC HOUSEWARES; "
    "ELECTRICAL SUPPPLIES; BATTERIES; CHARCOAL AND LIGHTER FLUID; HARDWARE SUPPLIES; SHOE CARE; PROPANE; "
    "AUTOMOTIVE PRODUCTS",
    "baby": "BABY FOODS; DIAPERS & DISPOSABLES; BABY HBC; INFANT FORMULA; INFANT CARE PRODUCTS; BABYFOOD",
    "health": "ORAL HYGIENE PRODUCTS; SOAP - LIQUID & BAR; COLD AND FLU; FEMININE HYGIENE; DEODORANTS; ANALGESICS; "
    "SHAVING CARE PRODUCTS; HAND/BODY/FACIAL PRODUCTS; FIRST AID PRODUCTS; VITAMINS; DIETARY AID PRODUCTS; ANTACIDS; "
    "SINUS AND ALLERGY; LAXATIVES; EYE AND EAR CARE PRODUCTS; ADULT INCONTINENCE; FAMILY PLANNING; "
    "FOOT CARE PRODUCTS; SUNTAN; SMOKING CESSATIONS; NATURAL HBC; MISCELLANEOUS HBC; PHARMACY; HOME HEALTH CARE; "
    "GLASSES/VISION AIDS; PERSONAL CARE APPLIANCES",
    "beauty": "HAIR CARE PRODUCTS; HAIR CARE ACCESSORIES; ETHNIC PERSONAL CARE; FRAGRANCES",
    "flowers-garden": "LAWN AND GARDEN SHOP",
    "tobacco": "CIGARETTES; TOBACCO OTHER; CIGARS",
}
BY_CATEGORY: Final = {name: aisle for aisle, names in _CATEGORIES.items() for name in names.split("; ")}

# Kept, because households bought them, but not sold online: history and learning, never a shelf.
NOT_SOLD_ONLINE: Final = {"tobacco"}

# Fuel, coupons, deposits and services are no products.
DROPPED_DEPARTMENTS: Final = {"COUPON", "FUEL", "CNTRL/STORE SUP", "PROD-WHS SALES", "CHARITABLE CONT"}
DROPPED_CATEGORIES: Final = {
    "COUPON",
    "COUPON/MISC ITEMS",
    "COUPONS/STORE & MFG",
    "BOTTLE DEPOSITS",
    "PROD SUPPLIES",
    "MEAT SUPPLIES",
    "TICKETS",
    "PREPAID WIRELESS&ACCESSORIES",
    "LONG DISTANCE CALLING CARDS",
    "IN-STORE PHOTOFINISHING",
    "OVERNIGHT PHOTOFINISHING",
    "CONTINUITIES",
}
DROPPED_TYPES: Final = {"MISC SALES TRANS", "PRODUCE DISCONTINUED ITEMS", "ELECTRONIC GIFT CARDS ACTIVATI"}


def aisle_of(department: str, category: str) -> str:
    """Slug of the aisle where a category of the source data stands."""
    if department in {"GROCERY", "DRUG GM", "PHOTO & VIDEO", "MEAT", "MEAT-PCKGD"} and category in BY_CATEGORY:
        return BY_CATEGORY[category]
    return BY_DEPARTMENT.get(department, "pantry")


def is_product(department: str, category: str, product_type: str) -> bool:
    """Whether a row of the source is something that a shop can put on a shelf and name."""
    return bool(
        (product_type or category)
        and department not in DROPPED_DEPARTMENTS
        and category not in DROPPED_CATEGORIES
        and product_type not in DROPPED_TYPES
        and (product_type or category not in {"MISCELLANEOUS", "SEASONAL"})
    )
