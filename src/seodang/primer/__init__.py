"""The primer: bilingual instruction records that the project authors itself.

families.py names the task families; each generator module makes the items of
some of them from lexicon/*.yaml; seed_tasks.jsonl holds the hand-written seeds.
"""
