"""The daemon: takes jobs from a folder, runs them through the pipeline, publishes the results."""
