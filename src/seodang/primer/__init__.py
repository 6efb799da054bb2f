"""The primer: bilingual instruction records by the authors of this project.

families.py lists the task families. The generator modules create the items of the families from lexicon/*.yaml.
seed_tasks.jsonl and film_remarks.jsonl hold hand-written records. preferences.py makes preference pairs.
"""
