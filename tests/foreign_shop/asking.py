"""Migrate, publish, ask for every list, once by Python, by tag and by HTTP; prints what came as JSON."""

import json
import uuid

from django.core.management import call_command
from django.template import Context, Template
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from recommender.catalog import item_model
from recommender.index.publish import publish
from recommender.index.writer import write_version
from recommender.models import Event, ItemEmbedding, TrainingRun, Visitor
from recommender.serving.placements import DEFAULTS
from recommender.serving.query import Query
from recommender.serving.recommend import recommend
from tests.tiny_tables import tiny_table

CODES = ["plain", "a/b", 'it\'s "quoted"', "50% & <b>", "{curly},comma", "日本 語", "\\back", "?q=1#x"]


def items() -> list[object]:
    model = item_model()
    if model.__name__ == "Record":
        return [model.objects.create(code=code, title=f"Item {number}") for number, code in enumerate(CODES)]
    return [model.objects.create(title=f"Item {number}") for number in range(len(CODES))]


def main() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    made = items()
    run = TrainingRun.objects.create(status="published", trigger="command")
    publish(write_version(run, tiny_table([item.pk for item in made]), {"passed": True, "reasons": [], "metrics": {}}))
    visitor = Visitor.objects.create(key=uuid.uuid4())
    for kind, item in ((1, made[1]), (4, made[1]), (1, made[3])):
        Event.objects.create(visitor=visitor, item_id=item.pk, kind=kind, at=timezone.now(), source=2)
    item_model().objects.filter(pk=made[7].pk).update(in_print=False)
    asked = {
        placement: recommend(Query(placement, visitor, 20, made[1].pk, frozenset({made[5].pk})))
        for placement in DEFAULTS
    }
    similar = Client().get(reverse("recommender:similar_items", args=[made[1].pk]))
    left_out = {"placement": "trending", "n": 20, "exclude": made[4].pk}  # of texts, one with a comma
    others = Client().get(reverse("recommender:recommendations"), left_out)
    html = Template("{% load recommender %}{% similar_items item n=2 %}").render(Context({"item": made[1]}))
    print(
        json.dumps(
            {
                "lists": {name: [entry.item.title for entry in found.entries] for name, found in asked.items()},
                "rungs": {name: found.rung for name, found in asked.items()},
                "types": sorted(
                    {type(key).__name__ for key in ItemEmbedding.objects.values_list("item_id", flat=True)}
                ),
                "similar": [similar.status_code, [item["id"] for item in similar.json()["items"]]],
                "others": [str(item["id"]) for item in others.json()["items"]],
                "keys": [str(item.pk) for item in made],
                "cards": html.count("<li"),
            }
        )
    )
