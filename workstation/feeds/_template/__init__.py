"""A venue to copy: a made-up exchange that passes the conformance suite. See the guide "Add a feed"."""
