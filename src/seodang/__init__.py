"""Seodang (서당): instruction records in, a served and proven instruction-tuned model out."""
