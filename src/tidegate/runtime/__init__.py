"""What a process runs on: clock, queue, event loop, garbage collector."""
