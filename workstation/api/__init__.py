"""The API beside the pages: rows and snapshots over HTTP, live rows over a websocket, metrics, described by OpenAPI."""
