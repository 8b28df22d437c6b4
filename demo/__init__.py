"""The demo: one command starts the shop, a real Postgres, a real broker, workers and the web server."""
