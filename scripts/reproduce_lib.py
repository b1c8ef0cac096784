"""What scripts/reproduce and scripts/reproduce-papers have in common."""
import json
import os
import pathlib
import statistics

ROOT = pathlib.Path(__file__).resolve().parent.parent


def use_data_folder():
    """The program looks for datasets in $ELBO_DATA or, where that is not set, in data/."""
    data = pathlib.Path(os.environ.get("ELBO_DATA", ROOT / "data")).resolve()
    if data.is_dir():
        os.environ["ELBO_DATA"] = str(data)


def read_history(folder):
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def shown(values, digits):
    """Their mean and, of several, the standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "unknown processor"
