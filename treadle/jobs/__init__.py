"""What runs for a run, and lasts. To read: engine, then items, run and executors; the others serve these."""
