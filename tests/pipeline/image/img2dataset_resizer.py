"""Run as a script: img2dataset's own Resizer over files, in a process whose output it may redirect.

Reads JSON [[path, options], ...] from stdin; writes to the folder given as argument one file N.bin
each, and prints JSON [[width, height, original width, original height, error], ...].
"""

import importlib.util
import json
import sys
import warnings
from io import BytesIO
from pathlib import Path

warnings.simplefilter("ignore")  # its imports warn

# The module alone: the package imports all of img2dataset, which takes ten seconds.
folder = importlib.util.find_spec("img2dataset").submodule_search_locations[0]
spec = importlib.util.spec_from_file_location("resizer", Path(folder, "resizer.py"))
resizer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(resizer)

asked = json.load(sys.stdin)
answers = []
for number, (path, options) in enumerate(asked):
    body, *sizes = resizer.Resizer(**options)(BytesIO(Path(path).read_bytes()))
    if body:
        Path(sys.argv[1], f"{number}.bin").write_bytes(body)
    answers.append(sizes)
json.dump(answers, sys.stdout)
