"""Time, retries and records of runs: thin Prefect flows around the rooms."""
