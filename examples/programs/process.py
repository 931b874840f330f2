"""Take one file name from the queue, sum the quantities per item, write the result, and end.

The name moves to a processing list of this Job in one step, and stays there until the result is
written: a pod that is restarted looks there first and goes on where its predecessor was.
"""

import csv
import os
import sys
import time
from collections import Counter

from redis_lite import Redis

DATA = os.environ.get("DATA_DIR", "/app/data")
QUEUE = os.environ.get("QUEUE", "csvs-to-process")
JOB = os.environ["JOB_NAME"]
PACE_S = float(os.environ.get("PACE_S", "0"))

# Takes what this Job holds already, else the next name. Repeating it returns the same name, and
# nothing once the Job has finished: a pod that dies after its last write must not take a second one.
TAKE = """
if redis.call('EXISTS', KEYS[3]) == 1 then return 'finished' end
local held = redis.call('LINDEX', KEYS[2], 0)
if held then return held end
return redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
"""
FINISH = """
redis.call('SET', KEYS[2], ARGV[1], 'EX', 86400)
return redis.call('DEL', KEYS[1])
"""


def aggregate(name):
    sums = Counter()
    with open(os.path.join(DATA, "raw", name), newline="") as file:
        for row in csv.DictReader(file):
            sums[int(row["item_id"])] += int(row["quantity"])
    target = os.path.join(DATA, "processed", name.replace(".csv", "_aggregated_sales.csv"))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    # A name of our own for the unfinished file: two pods of one Job never write into one another's.
    partial = f"{target}.{os.getpid()}.part"
    with open(partial, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["item_id", "total_quantity"])
        rows.writerows(sorted(sums.items()))
    os.replace(partial, target)
    return target


def main():
    redis = Redis()
    held, finished = f"{QUEUE}:processing:{JOB}", f"{QUEUE}:finished:{JOB}"
    name = redis("EVAL", TAKE, 3, QUEUE, held, finished)
    if name == "finished":
        print("this Job's file is written already")
        return 0
    if name is None:
        print("the queue is empty: nothing to do")
        redis("INCR", f"{QUEUE}:found-empty")
        return 0
    print(f"processing {name}")
    time.sleep(PACE_S)
    print(f"wrote {aggregate(name)}")
    redis("EVAL", FINISH, 2, held, finished, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
