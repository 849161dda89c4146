"""The hub: order, pace and watermark of every table."""
