"""Evaluation tasks: one YAML file each in `tasks/`, and the items that the files make of data.

spec.py defines the keys of a file. samples.py turns a row into an item. loading.py turns a file or the pipeline's
records into a task. sampling.py selects items and few-shot examples. prompts.py joins the texts. scoring.py computes
the metrics of an answer. All modules are pure except for reading the YAML files; the caller passes in the reader of
data rows.
"""
