"""Record formats: the objects of a file in, texts of instruction records out.

catalogue    which formats there are
telling      which one a file has, and a record that is unlike its file
plain        one question and one answer: Alpaca, KoAlpaca, self-instruct, Dolly, question/answer tables
conversation messages in order: ShareGPT, OpenAI, parallel lists, transcripts
judged       two answers of which one is better, and answers marked good or bad
labelled     classification tables, by a template
"""
