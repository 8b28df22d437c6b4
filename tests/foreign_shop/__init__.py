"""A second shop whose items have other keys; run by tests/index/test_other_keys.py in a process of its own."""
