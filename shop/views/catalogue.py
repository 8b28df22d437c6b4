"""Home, shelves, products, search, pictures."""

from functools import lru_cache
from typing import Any, Final

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from recommender.signals import item_viewed
from shop import pictures
from shop.models import Category, Department, Product, ProductQuerySet
from shop.search import clean, search_for

PER_PAGE: Final = 24
SORTS: Final = {
    "popular": (_("Most bought"), ("-times_bought", "pk")),
    "cheap": (_("Price: low to high"), ("price_cents", "pk")),
    "dear": (_("Price: high to low"), ("-price_cents", "pk")),
    "name": (_("Name"), ("name", "pk")),
}
DAY_SECONDS: Final = 86_400
render_picture = lru_cache(maxsize=4096)(pictures.render)  # about 2 KB each


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/home.html", {"is_empty": not Product.objects.on_shelf().exists()})


@require_safe
def department(request: HttpRequest, slug: str) -> HttpResponse:
    shelf = get_object_or_404(Department, slug=slug)
    products = Product.objects.on_shelf().filter(category__department=shelf)
    return _shelf(request, products, {"department": shelf, "categories": _categories(shelf)})


@require_safe
def category(request: HttpRequest, slug: str) -> HttpResponse:
    shelf = get_object_or_404(Category.objects.select_related("department"), slug=slug)
    context = {"department": shelf.department, "category": shelf, "categories": _categories(shelf.department)}
    return _shelf(request, Product.objects.on_shelf().filter(category=shelf), context)


def _categories(shelf: Department) -> list[Category]:
    return list(shelf.categories.filter(products__is_active=True).distinct())


def _shelf(request: HttpRequest, products: ProductQuerySet, context: dict[str, Any]) -> HttpResponse:
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else "popular"
    context |= {"sort": sort, "sorts": {key: label for key, (label, _order) in SORTS.items()}}
    return render(request, "shop/shelf.html", context | _page(request, products.order_by(*SORTS[sort][1])))


def _page(request: HttpRequest, products: ProductQuerySet | list[int]) -> dict[str, Any]:
    paginator = Paginator(products, PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    return {"page": page, "pages": paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)}


@require_safe
def product(request: HttpRequest, pk: int) -> HttpResponse:
    item = get_object_or_404(Product.objects.on_shelf().select_related("category__department"), pk=pk)
    item_viewed.send(sender=Product, request=request, item=item)
    return render(request, "shop/product.html", {"product": item})


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    text = clean(request.GET.get("q", ""))
    context: dict[str, Any] = {"query": text}
    if text:
        context |= _page(request, search_for(request, text))
        keys = list(context["page"].object_list)
        products = Product.objects.in_bulk(keys)
        context["page"].object_list = [products[key] for key in keys if key in products]
    return render(request, "shop/search.html", context)


@require_safe
@cache_control(public=True, max_age=DAY_SECONDS)
def picture(request: HttpRequest, name: str) -> HttpResponse:
    try:
        return HttpResponse(render_picture(name), content_type="image/svg+xml")
    except KeyError:
        raise Http404 from None
