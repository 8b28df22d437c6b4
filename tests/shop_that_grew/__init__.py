"""A shop whose app has its item model since its second migration; run by tests/test_item_migration.py."""
