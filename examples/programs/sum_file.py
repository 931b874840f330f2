"""Sum the quantities per item of one file, and write the result. It knows of no queue.

The file's name is the message that this Job was made for. Each run writes a line when it begins and when it
ends into a log that is only appended to, so that one can see that no two worked on a file at a time.
"""

import csv
import os
import sys
import time
from collections import Counter

DATA = os.environ.get("DATA_DIR", "/app/data")
NAME = os.environ["KEDA_TASK_DATA"]
PACE_S = float(os.environ.get("PACE_S", "0"))


def note(what):
    line = f"{time.time():.6f} {what} {NAME} {os.environ['KEDA_TASK_ID']} {os.environ['KEDA_TASK_ATTEMPT']}\n"
    with open(os.path.join(DATA, "runs.log"), "a") as log:
        log.write(line)


def main():
    # A message is data from outside: only names of files that lie where they should.
    source = os.path.join(DATA, "raw", os.path.basename(NAME))
    note("begins")
    if not os.path.isfile(source):
        print(f"there is no file {NAME!r}", file=sys.stderr)
        note("fails")
        return 1
    time.sleep(PACE_S)
    sums = Counter()
    with open(source, newline="") as file:
        for row in csv.DictReader(file):
            sums[int(row["item_id"])] += int(row["quantity"])
    target = os.path.join(DATA, "processed", os.path.basename(NAME).replace(".csv", "_aggregated_sales.csv"))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    # The final name in one step: a run that is repeated writes the same file.
    partial = f"{target}.{os.getpid()}.part"
    with open(partial, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["item_id", "total_quantity"])
        rows.writerows(sorted(sums.items()))
    os.replace(partial, target)
    print(f"wrote {target}")
    note("ends")
    return 0


if __name__ == "__main__":
    sys.exit(main())
