"""Prints the words that a file has most often, and how many times."""

import collections
import os
import pathlib
import sys

import humanize

shown = int(os.environ["WORDS_SHOWN"])
text = pathlib.Path(sys.argv[1]).read_text("utf-8").lower()
print(f"{sys.argv[1]}: {humanize.naturalsize(len(text))}")
for word, times in collections.Counter(text.split()).most_common(shown):
    print(f"{humanize.intcomma(times)} times {word}")
