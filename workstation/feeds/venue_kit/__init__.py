"""What every venue needs: sockets, frame queues, gap detection, health rows, account rows."""
