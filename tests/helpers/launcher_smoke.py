"""A study of four short trials, for tests that start clusters."""

TINY_STUDY = """
study: launcher_smoke
question: Does the launcher bring a study to its records?
base:
  task: {name: snli_ve, data: mini_smoke}
  student: {init: scratch}
  optim: {min_steps: 2, max_steps: 4, evaluations: 1}
arms:
  listed: [no_distillation]
search:
  trials: 2
  space:
    optim.lr: {loguniform: [1.0e-4, 1.0e-3]}
seeds: {search: [0], confirm: [1, 2]}
evaluate: [val, test]
"""
NUM_TRIALS = 4
"""Two proposals and two confirm seeds."""
