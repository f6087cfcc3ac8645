#!/usr/bin/env python3
"""An event plugin in plain Python: counts the words of the parameter `text`.

Reads the job as one line of JSON, prints messages and log lines, ends with a code. SIGTERM means abort.
"""

import json
import signal
import sys


def say(**message: object) -> None:
    print(json.dumps({"xy": 1, **message}), flush=True)


def stop(number: int, frame: object) -> None:
    sys.exit(1)


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    job = json.loads(sys.stdin.readline())
    if job.get("xy") != 1:
        say(code=1, description="This is not a job")
        return
    counts: dict[str, int] = {}
    words = str(job["params"].get("text", "")).lower().split()
    for number, word in enumerate(words, 1):
        counts[word] = counts.get(word, 0) + 1
        say(progress=number / len(words), status=f"word {number} of {len(words)}")
    print(f"{len(words)} words, {len(counts)} of them different")  # log
    rows = sorted(counts.items(), key=lambda row: -row[1])[:10]
    say(
        data={"counts": counts},
        table={"title": "Most frequent words", "header": ["Word", "Count"], "rows": rows},
        perf={"c_words": len(words)},
    )
    say(code=0, description=f"Counted {len(words)} words")


if __name__ == "__main__":
    main()
