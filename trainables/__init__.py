"""What is run: tasks, students, teachers, distillation and the training loop. Knows nothing of Ray."""
