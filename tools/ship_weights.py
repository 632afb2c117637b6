"""Put the weights of a training run into the package, where `--model NAME` finds them: kernels in half precision, the config beside them.

    python tools/ship_weights.py --run runs/nano --name nano
    python tools/ship_weights.py --run runs/tuned --mean-with runs/nano --name nano

`--mean-with` takes the mean of both runs' weights: where one went on from the other, it is often better than either (arXiv 2203.05482).
Both must read the same inputs by the same network; losses, decoding (the first run's is shipped) and how they were trained may differ.
Prints size and checksum for the model card (`fusion/weights/NAME.md`), which is written by hand from `tools/score_states.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from fusion.checkpoint import WEIGHTS_DIR, listed, load_checkpoint, mean_state, model_differences, save_checkpoint
from fusion.config import load_yaml
from fusion.errors import UserError


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of a training run")
    parser.add_argument("--mean-with", type=Path, metavar="RUN", help="folder of another run of the same network, whose weights count as much")
    parser.add_argument("--name", required=True, help="name of the weights")
    args = parser.parse_args()
    source = args.run / "model.safetensors"
    try:
        network, config = load_checkpoint(source)
        if args.mean_with is not None:
            other, other_config = load_checkpoint(args.mean_with / "model.safetensors")
            differences = model_differences(config, other_config)
            if differences:
                raise UserError(f"--mean-with {args.mean_with}: expected the model of {args.run}, {len(differences)} settings differ:"
                                f"{listed(differences)}")
            network.load_state_dict(mean_state(network.state_dict(), other.state_dict()))
        extra = {key: value for key, value in load_yaml(source.with_suffix(".yaml")).items() if key != "model"}
        target = WEIGHTS_DIR / f"{args.name}.safetensors"
        save_checkpoint(target, network, config, extra, half=True)
        load_checkpoint(target)
    except UserError as error:
        print(f"ship_weights: error: {error}", file=sys.stderr)
        return 2
    parameters = sum(parameter.numel() for parameter in network.parameters())
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB, {parameters / 1e6:.2f} M parameters, "
          f"sha256 {hashlib.sha256(target.read_bytes()).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
