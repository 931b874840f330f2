"""Do one task: its text comes as arguments. It knows of no queue."""

import sys


def main():
    task = " ".join(sys.argv[1:])
    if not task:
        # Without claimed work nobody puts a task into KEDA_TASK_DATA.
        print("there is no task", file=sys.stderr)
        return 1
    print(f"processing task: {task}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
