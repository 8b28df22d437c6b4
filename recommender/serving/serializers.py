"""What the API takes and gives."""

from collections.abc import Callable
from typing import Any, Self

from django.db.models import IntegerField
from django.http import QueryDict
from django.utils.translation import gettext as _
from rest_framework import serializers

from recommender.catalog import item_key, key_field
from recommender.conf import conf
from recommender.serving.cards import Card
from recommender.serving.key_fields import ItemKeyField, VisitorKeyField, keys_in
from recommender.serving.placements import FOR_YOU, length_of, needs_items, placement_named, placements
from recommender.serving.query import RUNGS, Query
from recommender.tokens import read_impressions

MAX_EXCLUDED = 500
MAX_STARTS = 50  # items that a list starts from
MAX_LISTS = 10  # of one page
MAX_SEARCH = 200  # characters
MAX_MATCHES = 400  # of one search
MAX_PAGES = 20  # tokens of earlier lists in one address, which servers cut off at some 8,000 characters

Basket = Callable[[], frozenset[Any]]  # → keys of what lies in the caller's basket


class ListParameters(serializers.Serializer):
    """What may be asked of every list."""

    exclude = serializers.ListField(
        child=ItemKeyField(),
        required=False,
        max_length=MAX_EXCLUDED,
        help_text="Keys that must not be in the list: repeated, or separated by commas. Where keys are texts, a value "
        "with commas counts as one key, too.",
    )
    after = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        max_length=MAX_PAGES,
        help_text="Tokens of lists that were shown before, repeated: what they hold is left out, for the next page.",
    )

    @classmethod
    def of(cls, parameters: QueryDict) -> Self:
        """Bound to a query string: of a repeated name the last counts, of a list all."""
        return cls(data=cls.data_of(parameters))

    @classmethod
    def data_of(cls, parameters: QueryDict) -> dict[str, Any]:
        """The query string as what the fields expect."""
        data: dict[str, Any] = dict(parameters.items())
        if "after" in parameters:
            data["after"] = parameters.getlist("after")
        sent = parameters.getlist("exclude")
        keys = [key for value in sent for key in keys_in(value)]
        return {**data, "exclude": keys if len(sent) <= MAX_EXCLUDED else sent}  # empty ones count, too

    def get_fields(self) -> dict[str, serializers.Field]:
        n = serializers.IntegerField(
            min_value=1,
            max_value=conf.MAX_LIST_LENGTH,
            required=False,
            help_text="Items wanted; fewer come where fewer are.",
            error_messages={"max_value": "At most {max_value} items."},
        )
        return {"n": n, **super().get_fields()}

    def validate_after(self, tokens: list[str]) -> frozenset[Any]:
        """The keys of the items that these tokens' lists held."""
        lists = [read_impressions(token) for token in tokens]
        if None in lists:
            raise serializers.ValidationError(_("A token is not of this shop, or too old: begin with the first page."))
        return frozenset(item_key(key) for claims in lists if claims for key in claims["i"])

    @property
    def excluded(self) -> frozenset[Any]:
        return frozenset(self.validated_data.get("exclude", ())) | frozenset(self.validated_data.get("after", ()))

    def query_for(self, placement: str, visitor: Any, basket: Basket, items: tuple[Any, ...] = ()) -> Query:
        """The question for one placement. `basket`: asked where the placement leaves out what lies in it."""
        chosen = placement_named(placement)
        excluded = self.excluded | basket() if chosen.excludes_basket else self.excluded
        n = self.validated_data.get("n") or length_of(chosen)
        return Query(placement, visitor, n, exclude=excluded, items=items)


class StartParameters(ListParameters):
    """... and what the lists start from."""

    item = serializers.ListField(
        child=ItemKeyField(),
        required=False,
        max_length=MAX_STARTS,
        help_text="What the list starts from; several for a basket, for example.",
    )

    @classmethod
    def data_of(cls, parameters: QueryDict) -> dict[str, Any]:
        sent = parameters.getlist("item")
        items = [key for key in sent if key] if len(sent) <= MAX_STARTS else sent  # empty ones count, too
        return {**super().data_of(parameters), "item": items}

    @property
    def items(self) -> tuple[Any, ...]:
        return tuple(self.validated_data.get("item", ()))


class RecommendationParameters(StartParameters):
    """... and which list."""

    def get_fields(self) -> dict[str, serializers.Field]:
        placement = serializers.ChoiceField([*placements()], default=FOR_YOU, help_text="Which list.")
        return {"placement": placement, **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if needs_items(placement_named(attrs["placement"])) and not attrs.get("item"):
            raise serializers.ValidationError(
                {"item": [_("Needed by the placement %(placement)s.") % {"placement": attrs["placement"]}]}
            )
        return attrs

    def query(self, visitor: Any, basket: Basket = frozenset) -> Query:
        """The question that these parameters ask for this visitor."""
        return self.query_for(self.validated_data["placement"], visitor, basket, self.items)


class PageParameters(StartParameters):
    """... and which lists; those that start from an item are left out where none is named."""

    @classmethod
    def data_of(cls, parameters: QueryDict) -> dict[str, Any]:
        return {**super().data_of(parameters), "placement": parameters.getlist("placement")}

    def get_fields(self) -> dict[str, serializers.Field]:
        placement = serializers.ListField(
            child=serializers.ChoiceField([*placements()]),
            min_length=1,
            max_length=MAX_LISTS,
            help_text="Which lists, in the order of the page: repeated.",
        )
        return {"placement": placement, **super().get_fields()}

    def queries(self, visitor: Any, basket: Basket) -> list[Query]:
        """One question a placement."""
        names = dict.fromkeys(self.validated_data["placement"])
        wanted = [name for name in names if self.items or not needs_items(placement_named(name))]
        return [self.query_for(name, visitor, basket, self.items) for name in wanted]


class SearchParameters(ListParameters):
    """... that answers words."""

    q = serializers.RegexField(
        r"^\s*[^\s\x00][^\x00]*$",  # not only spaces, no NUL; each part can match in one way only
        max_length=MAX_SEARCH,
        help_text="What is looked for.",
    )
    offset = serializers.IntegerField(
        min_value=0, max_value=MAX_MATCHES, default=0, help_text="Items to leave out, from the first on: the next page."
    )


class BatchParameters(RecommendationParameters):
    """... and for whom, in JSON."""

    after = None  # tokens are of one visitor
    visitors = serializers.ListField(child=VisitorKeyField(), default=list, help_text="Keys of visitors.")
    users = serializers.ListField(
        child=serializers.CharField(min_length=1, max_length=100), default=list, help_text="Primary keys of accounts."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = len(attrs["visitors"]) + len(attrs["users"])
        if not 1 <= named <= conf.MAX_BATCH_VISITORS:
            limits = {"named": named, "most": conf.MAX_BATCH_VISITORS}
            raise serializers.ValidationError(
                _("Name 1 to %(most)s visitors and users in one request, not %(named)s.") % limits
            )
        return super().validate(attrs)


class CardSerializer(serializers.Serializer):
    """One item of a list, see `Card`."""

    title = serializers.CharField()
    url = serializers.CharField(help_text="Absolute address of the item's page; may be empty.")
    image_url = serializers.CharField(help_text="Absolute address of a picture; may be empty.")
    price = serializers.CharField(help_text="As shown to shoppers; may be empty.")
    price_cents = serializers.IntegerField(allow_null=True)
    score = serializers.FloatField(help_text="What ordered the list; comparable inside one list only.")
    reason = serializers.CharField(help_text="Why it is here, for the shopper; may be empty.")
    slot = serializers.IntegerField(help_text="1-based place in the list.")

    def get_fields(self) -> dict[str, serializers.Field]:
        is_number = isinstance(key_field(), IntegerField)
        key = serializers.IntegerField() if is_number else serializers.CharField()
        return {"id": key, **super().get_fields()}

    def to_representation(self, instance: Card) -> dict[str, Any]:
        """What the fields say, without asking each of a hundred of them: that took 2 ms a list."""
        request = self.context.get("request")
        absolute = request.build_absolute_uri if request else str
        return {
            "id": instance.id if isinstance(instance.id, int) else str(instance.id),
            "title": str(instance.title),
            "url": absolute(instance.url) if instance.url else "",
            "image_url": absolute(instance.image_url) if instance.image_url else "",
            "price": str(instance.price),
            "price_cents": None if instance.price_cents is None else int(instance.price_cents),
            "score": float(instance.score),
            "reason": str(instance.reason),
            "slot": instance.slot,
        }


class RecommendationsSerializer(serializers.Serializer):
    """A list and what is needed to report clicks on it."""

    title = serializers.CharField(help_text="A heading for the list, in the caller's language.")
    rung = serializers.ChoiceField(
        RUNGS,
        help_text="What answered: the visitor's own events, the named item, what is popular among the visitor's kind "
        "of items or with everybody, a list kept from before while the database is away, or nothing at all.",
    )
    version = serializers.IntegerField(allow_null=True, help_text="The model version behind the list, if any.")
    token = serializers.CharField(help_text="Goes back with clicks on this list; empty for an empty list.")
    items = CardSerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        return {"placement": serializers.ChoiceField([*placements()]), **super().get_fields()}


class PageSerializer(serializers.Serializer):
    """The lists of a page, in the order of the request."""

    lists = RecommendationsSerializer(many=True)


class SearchSerializer(serializers.Serializer):
    """A page of what answers, and what is needed to report clicks on it."""

    q = serializers.CharField(help_text="What was looked for.")
    version = serializers.IntegerField(allow_null=True, help_text="The model version that was asked, if any.")
    next = serializers.IntegerField(allow_null=True, help_text="The offset of the next page; null on the last one.")
    token = serializers.CharField(help_text="Goes back with clicks on this list; empty for an empty list.")
    items = CardSerializer(many=True)


class VisitorListSerializer(RecommendationsSerializer):
    """... of one of many."""

    visitor = serializers.UUIDField(
        allow_null=True, help_text="Key of the visitor; null for an account without events."
    )
    user = serializers.CharField(allow_null=True, help_text="Primary key of the account; null for a browser.")


class UnknownSerializer(serializers.Serializer):
    """Whom there is not (any more): erased, or never there."""

    visitors = serializers.ListField(child=serializers.UUIDField())
    users = serializers.ListField(child=serializers.CharField())


class BatchSerializer(serializers.Serializer):
    """Lists in the order in which visitors, then users, were named."""

    lists = VisitorListSerializer(many=True)
    unknown = UnknownSerializer()
