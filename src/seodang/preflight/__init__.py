"""Checks between the data and training: can the run end with a verdict about what it trains?"""
