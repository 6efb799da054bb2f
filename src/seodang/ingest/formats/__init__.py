"""Record formats: convert the objects of a file into the texts of instruction records.

registry        all formats, their keys and converters
detect          detection of the format of a file, and of a record that differs from its file
instruction     one question and one answer: Alpaca, KoAlpaca, self-instruct, Dolly, question/answer tables
conversation    ordered messages: ShareGPT, OpenAI, parallel lists, transcripts
preference      pairs of a better and a worse answer, and answers labelled good or bad
classification  labelled tables, read by a template
"""
