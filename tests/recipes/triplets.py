"""A table of triplets, and STS sets, small enough for a test."""

import json

WHO = ("a man", "two dogs", "the crowd", "a child", "some birds", "an old woman")
DOES = ("runs in the park", "sleeps on a bench", "plays with a ball", "looks at the sea", "eats lunch")


def rows(n=40):
    for i in range(n):
        who, does = WHO[i % len(WHO)], DOES[i % len(DOES)]
        other = DOES[(i + 2) % len(DOES)]
        yield {"sent0": f"{who} {does} today , number {i}", "sent1": f"{who} {does}", "hard_neg": f"{who} {other}"}


def table(folder, n=40, keep=("sent0", "sent1", "hard_neg")):
    path = folder / "nli.jsonl"
    path.write_text("".join(json.dumps({k: row[k] for k in keep}) + "\n" for row in rows(n)))
    return path


def sts(folder, names=("stsb", "sickr")):
    folder.mkdir()
    for name in names:
        lines = []
        for i, row in enumerate(rows(24)):
            pair = {"sentence1": row["sent0"], "sentence2": row["sent1"] if i % 2 else row["hard_neg"]}
            split = "dev" if i % 3 == 0 else "test"
            lines.append(pair | {"score": 5 * (i % 2) - (i % 5) / 10 * (2 * (i % 2) - 1), "split": split})
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
