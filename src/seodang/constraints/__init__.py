"""Instruction-following records: a verifiable constraint is added to an instruction, and the answer meets it.

shapes.py changes the form of an answer, measures.py describes an answer as it is. phrasings.yaml has the sentences that
ask for it, in Korean and English. build.py selects constraints for a record and keeps it if the rules of
seodang.evaluation.ifeval verify its answer.
"""
