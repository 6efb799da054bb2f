"""IFEval: rules that verify whether an answer follows instructions (Zhou et al. 2023, arXiv 2311.07911).

text.py splits text. languages.py identifies languages. rules.py has a rule for each of the 25 instruction ids, and for
four of our own (`korean:`). checking.py applies the rules, strictly and loosely. The rules follow the paper and its
prompts, and support Korean text. Each rule that differs from the published one says so.
"""
