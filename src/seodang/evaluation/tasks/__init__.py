"""Evaluation tasks: a YAML file each in `tasks/`, and the items that it makes of data.

spec.py says what a file may say, items.py turns a row into an item, loading.py a file or the pipeline's records into a task,
choosing.py picks items and exemplars, asking.py joins the texts, scoring.py gives an answer its scores. All of it is pure but
for the reading of the YAML files; rows of data come from a reader that the caller passes in.
"""
