"""URLs of the plugin: `path("recommender/", include("recommender.urls"))`."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from recommender.capture.views import events
from recommender.feedback.views import FeedbackView, taken_back
from recommender.operations.views import health, live, metrics
from recommender.privacy.views import ConsentView, VisitorView, not_me
from recommender.serving.batch import BatchView
from recommender.serving.fragments import fragment
from recommender.serving.schema import SchemaView
from recommender.serving.search_views import SearchView
from recommender.serving.views import PageView, RecommendationsView, SimilarItemsView

app_name = "recommender"


class KeyConverter(StringConverter):
    """Any text: a key may hold slashes, and one with a line break gets an answer of ours, too."""

    regex = r"[\s\S]+"


register_converter(KeyConverter, "recommender_key")
urlpatterns = [
    path("events/", events, name="events"),
    path("recommendations/", RecommendationsView.as_view(), name="recommendations"),
    path("recommendations/batch/", BatchView.as_view(), name="recommendations_batch"),
    path("recommendations/page/", PageView.as_view(), name="recommendations_page"),
    path("search/", SearchView.as_view(), name="search"),
    path("items/<recommender_key:key>/similar/", SimilarItemsView.as_view(), name="similar_items"),
    path("visitor/", VisitorView.as_view(), name="visitor"),
    path("feedback/", FeedbackView.as_view(), name="feedback"),
    path("feedback/taken-back/", taken_back, name="feedback_back"),
    path("consent/", ConsentView.as_view(), name="consent"),
    path("not-me/<str:token>/", not_me, name="not_me"),
    path("fragment/<str:signed>/", fragment, name="fragment"),
    path("health/", health, name="health"),
    path("health/live/", live, name="live"),
    path("metrics/", metrics, name="metrics"),
    path("schema/", SchemaView.as_view(), name="schema"),
]
