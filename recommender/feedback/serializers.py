"""What the feedback endpoint takes and gives."""

from typing import Final

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from recommender.feedback.store import VALUES
from recommender.tokens import MAX_CHARACTERS

MAX_ANSWER: Final = 300  # characters


class FeedbackParameters(serializers.Serializer):
    """One value names answer and item: it is what a button of a form sends."""

    token = serializers.CharField(
        min_length=1,
        max_length=MAX_CHARACTERS,
        trim_whitespace=False,
        help_text="Of the list that the item stands in.",
    )
    answer = serializers.RegexField(
        rf"^({'|'.join(VALUES)}):[^\x00]+$",
        max_length=MAX_ANSWER,
        trim_whitespace=False,
        help_text="`less:<key of the item>`, not for me, or `more:<key of the item>`, more like this.",
        error_messages={"invalid": _("Send less:<key> or more:<key>.")},
    )

    @property
    def said(self) -> tuple[str, str]:
        """(value, item's key as text)."""
        value, _colon, item = self.validated_data["answer"].partition(":")
        return value, item


class FeedbackSerializer(serializers.Serializer):
    item = serializers.CharField(help_text="The item's key.")
    value = serializers.ChoiceField(["less", "more", ""], help_text="What holds now; empty where it was taken back.")
