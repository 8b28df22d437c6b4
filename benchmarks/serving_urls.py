"""What the recommendations are compared with: a view that does nothing, and a plain DRF list of 12 products.

And the list as a shop keeps it in a cache, for a page that is the same for everybody.
"""

from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.urls import path

from benchmarks.plain_urls import views
from shop.urls import urlpatterns as shop_urlpatterns

WIDGET = Template("{% load cache recommender %}{% cache 60 widget %}{% recommended_for_you n=12 %}{% endcache %}")


def cached(request: HttpRequest) -> HttpResponse:
    """The widget out of Django's cache."""
    return HttpResponse(WIDGET.render(Context()))


urlpatterns = [
    path("cached/", cached),
    *views,
    *shop_urlpatterns,
]
