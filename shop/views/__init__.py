"""Pages of the shop. Plain server-rendered views; all that changes something is a POST."""

from django.contrib.auth.views import LogoutView
from django.urls import path
from django.views.i18n import set_language

from shop.views import account, basket, catalogue, privacy

urlpatterns = [
    path("", catalogue.home, name="home"),
    path("d/<slug:slug>/", catalogue.department, name="department"),
    path("c/<slug:slug>/", catalogue.category, name="category"),
    path("p/<int:pk>/", catalogue.product, name="product"),
    path("search/", catalogue.search, name="search"),
    path("picture/<slug:name>.svg", catalogue.picture, name="picture"),
    path("basket/", basket.basket, name="basket"),
    path("basket/add/", basket.basket_add, name="basket_add"),
    path("basket/change/", basket.basket_change, name="basket_change"),
    path("checkout/", basket.checkout, name="checkout"),
    path("orders/", basket.orders, name="orders"),
    path("orders/<int:pk>/", basket.order, name="order"),
    path("orders/<int:pk>/again/", basket.order_again, name="order_again"),
    path("my-data/", privacy.my_data, name="my_data"),
    path("my-data/erase/", privacy.my_data_erase, name="my_data_erase"),
    path("login/", account.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", set_language, name="set_language"),
]
