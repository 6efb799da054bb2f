"""IFEval: whether an answer follows instructions that can be verified by rule (Zhou et al. 2023, arXiv 2311.07911).

text.py splits text, languages.py tells languages, rules.py has a rule for each of the 25 instruction ids, checking.py asks them,
strictly and loosely. Written from the paper and from what its prompts ask, and made to hold for Korean text, too. Where that
differs from the published rules, the rule says so.
"""
