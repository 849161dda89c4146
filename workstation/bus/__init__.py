"""Many processes: one collector publishes numbered rows to Redis Streams, page servers read them as a feed."""
