"""Write one raw CSV file per day and push each file's name onto the queue.

May be run again after a crash: files are written under their final name in one step, and a marker
list in Redis says which names have been pushed, in the same transaction as the push.
"""

import csv
import os
import random
from datetime import date, datetime, timedelta

from redis_lite import Redis

RAW = os.path.join(os.environ.get("DATA_DIR", "/app/data"), "raw")
QUEUE = os.environ.get("QUEUE", "csvs-to-process")
FIRST, LAST = date(2022, 1, 1), date.fromisoformat(os.environ.get("LAST_DAY", "2022-06-30"))
RECORDS = 200

# Pushes a name unless it was pushed before; atomic, so a repeated call pushes nothing.
PUSH_ONCE = """
if redis.call('SADD', KEYS[2], ARGV[1]) == 1 then return redis.call('RPUSH', KEYS[1], ARGV[1]) end
return redis.call('LLEN', KEYS[1])
"""


def write_day(day):
    name = f"{day:%Y%m%d}.csv"
    path = os.path.join(RAW, name)
    chance = random.Random(name)
    midnight = datetime(day.year, day.month, day.day)
    with open(path + ".part", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["timestamp", "item_id", "quantity"])
        for second in sorted(chance.randrange(86400) for _ in range(RECORDS)):
            moment = midnight + timedelta(seconds=second)
            rows.writerow([moment.isoformat(), chance.randint(1, 5), chance.randint(1, 10)])
    os.replace(path + ".part", path)
    return name


def main():
    os.makedirs(RAW, exist_ok=True)
    redis = Redis()
    day = FIRST
    while day <= LAST:
        name = write_day(day)
        redis("EVAL", PUSH_ONCE, 2, QUEUE, QUEUE + ":pushed", name)
        day += timedelta(days=1)
    print(f"wrote and queued {(LAST - FIRST).days + 1} files of {RECORDS} records")


if __name__ == "__main__":
    main()
