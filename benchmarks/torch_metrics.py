"""How long metrics take beside Quantus, on the digits network of examples/embedding.

    python benchmarks/torch_metrics.py

Both judge the same 32 records with draws of their own; the best of three runs, in turns.
"""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "tests" / "torch" / "judged_by_quantus.py"


def main():
    command = [sys.executable, str(SCRIPT), "--seconds"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])["seconds"]
    print(f"{'':26}{'Quantus':>10}{'here':>10}{'ratio':>8}")
    for name, (theirs, ours) in found.items():
        print(f"{name:26}{theirs * 1e3:8.0f}ms{ours * 1e3:8.0f}ms{theirs / ours:8.1f}")


if __name__ == "__main__":
    main()
